//! The cookies of a session that a browser keeps.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use stoa_http::{
    names::{ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE},
    session_cookie_name,
};

use crate::{
    config::{AuthConfig, SameSite},
    ops::sessions::Tokens,
};

/// Where the refresh token is sent: nowhere else can it be stolen.
const REFRESH_PATH: &str = "/api/v1/auth";

struct Cookie<'a> {
    name: &'static str,
    value: &'a str,
    lifetime: Duration,
    path: &'a str,
    same_site: SameSite,
    http_only: bool,
}

impl Cookie<'_> {
    fn append_to(&self, headers: &mut HeaderMap, secure: bool) {
        let same_site = match self.same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        };
        let mut line = format!(
            "{}={}; Max-Age={}; Path={}; SameSite={same_site}",
            session_cookie_name(self.name, secure),
            self.value,
            self.lifetime.as_secs(),
            self.path
        );
        if self.http_only {
            line.push_str("; HttpOnly");
        }
        if secure {
            line.push_str("; Secure");
        }
        // Tokens and fixed words are ASCII.
        if let Ok(value) = HeaderValue::try_from(line) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// Sets the cookies of a session.
pub(super) fn set(headers: &mut HeaderMap, config: &AuthConfig, tokens: &Tokens, secure: bool) {
    write(
        headers,
        config.cookie_same_site,
        [
            &tokens.access,
            &tokens.refresh,
            tokens.csrf.as_deref().unwrap_or_default(),
        ],
        [config.access_token_lifetime.0, config.refresh_token_lifetime.0],
        secure,
    );
}

/// Takes the cookies of a session away.
pub(super) fn clear(headers: &mut HeaderMap, config: &AuthConfig, secure: bool) {
    write(
        headers,
        config.cookie_same_site,
        [""; 3],
        [Duration::ZERO; 2],
        secure,
    );
}

fn write(
    headers: &mut HeaderMap,
    same_site: SameSite,
    [access, refresh, csrf]: [&str; 3],
    [short, long]: [Duration; 2],
    secure: bool,
) {
    let all = Cookie {
        name: ACCESS_COOKIE,
        value: access,
        lifetime: short,
        path: "/",
        same_site,
        http_only: true,
    };
    all.append_to(headers, secure);
    let refresh = Cookie {
        name: REFRESH_COOKIE,
        value: refresh,
        lifetime: long,
        path: REFRESH_PATH,
        // Where other sites may use the session, they must be able to refresh it as well.
        same_site: match same_site {
            SameSite::None => SameSite::None,
            SameSite::Lax | SameSite::Strict => SameSite::Strict,
        },
        http_only: true,
    };
    refresh.append_to(headers, secure);
    let csrf = Cookie {
        name: CSRF_COOKIE,
        value: csrf,
        lifetime: long,
        path: "/",
        same_site,
        http_only: false,
    };
    csrf.append_to(headers, secure);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(secure: bool, same_site: SameSite) -> Vec<String> {
        let mut config: AuthConfig = stoa_testkit::settings("auth");
        config.cookie_same_site = same_site;
        let tokens = Tokens {
            access: "a".to_owned(),
            refresh: "r".to_owned(),
            csrf: Some("c".to_owned()),
        };
        let mut headers = HeaderMap::new();
        set(&mut headers, &config, &tokens, secure);
        headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn only_the_csrf_cookie_can_be_read_by_scripts() {
        assert_eq!(
            lines(true, SameSite::Lax),
            [
                "__Host-stoa_access=a; Max-Age=3600; Path=/; SameSite=Lax; HttpOnly; Secure",
                "__Secure-stoa_refresh=r; Max-Age=604800; Path=/api/v1/auth; SameSite=Strict; HttpOnly; Secure",
                "__Host-stoa_csrf=c; Max-Age=604800; Path=/; SameSite=Lax; Secure",
            ]
        );
    }

    #[test]
    fn without_https_nothing_is_marked_secure() {
        assert!(
            lines(false, SameSite::None)
                .iter()
                .all(|line| line.starts_with("stoa_") && !line.contains("Secure"))
        );
    }
}

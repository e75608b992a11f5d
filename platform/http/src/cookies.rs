//! Cookies of a request.

use std::borrow::Cow;

use http::{HeaderMap, header};

use crate::names::REFRESH_COOKIE;

/// The name that a session cookie has. Over https it has a prefix with which browsers take it from https alone, and with `__Host-`
/// from no neighbouring host (RFC 6265bis). The refresh token is sent to a part of the paths only, which `__Host-` does not allow.
#[must_use]
pub fn session_cookie_name(name: &'static str, secure: bool) -> Cow<'static, str> {
    match (secure, name) {
        (false, _) => Cow::Borrowed(name),
        (true, REFRESH_COOKIE) => Cow::Owned(format!("__Secure-{name}")),
        (true, _) => Cow::Owned(format!("__Host-{name}")),
    }
}

/// Value of the session cookie `name`. `secure`: whether the request came by https; then a cookie without the prefix, which
/// anybody on the way or on a neighbouring host may have set, counts for nothing.
#[must_use]
pub fn session_cookie<'a>(headers: &'a HeaderMap, name: &'static str, secure: bool) -> Option<&'a str> {
    cookie(headers, &session_cookie_name(name, secure))
}

/// Value of cookie `name`, without quotes around it. If it comes twice there is none: one of them was set by somebody else, and
/// nobody can tell which.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    if pairs.any(|(key, _)| key == name) {
        return None;
    }
    Some(
        value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(value),
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("xa=1; a=2;b=\"3\""));
        headers.append(header::COOKIE, HeaderValue::from_static("c=x=y; d=4"));
        assert_eq!(cookie(&headers, "a"), Some("2"));
        assert_eq!(cookie(&headers, "b"), Some("3"));
        assert_eq!(cookie(&headers, "c"), Some("x=y"));
        assert_eq!(cookie(&headers, "x"), None);
    }

    #[test]
    fn of_two_cookies_of_one_name_neither_counts() {
        for line in ["a=1; a=2", "a=1; a=1"] {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, HeaderValue::from_static(line));
            assert_eq!(cookie(&headers, "a"), None, "{line}");
        }
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::COOKIE, HeaderValue::from_static("a=2"));
        assert_eq!(cookie(&headers, "a"), None);
    }

    #[test]
    fn over_https_only_the_prefixed_cookie_counts() {
        let mut headers = HeaderMap::new();
        let both = "stoa_access=tossed; __Host-stoa_access=ours; stoa_refresh=tossed";
        headers.append(header::COOKIE, HeaderValue::from_static(both));
        assert_eq!(session_cookie(&headers, "stoa_access", true), Some("ours"));
        assert_eq!(session_cookie(&headers, "stoa_access", false), Some("tossed"));
        assert_eq!(session_cookie(&headers, "stoa_refresh", true), None);
    }
}

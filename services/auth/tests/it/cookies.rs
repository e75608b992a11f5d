//! Sessions that a browser keeps in cookies.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_http::names::{ACCESS_COOKIE, CSRF_COOKIE, CSRF_HEADER, REFRESH_COOKIE};
use stoa_testkit::{Answer, Call, assert_problem};

use crate::{App, PASSWORD, login, refresh, register, text};

/// A browser's jar.
#[derive(Clone)]
struct Jar {
    access: String,
    refresh: String,
    csrf: String,
}

impl Jar {
    fn of(answer: &Answer) -> Self {
        let cookie = |name| answer.set_cookie(name).unwrap().to_owned();
        Self {
            access: cookie(ACCESS_COOKIE),
            refresh: cookie(REFRESH_COOKIE),
            csrf: cookie(CSRF_COOKIE),
        }
    }

    fn send(&self, call: Call) -> Call {
        call.header(
            "cookie",
            &format!(
                "{ACCESS_COOKIE}={}; {REFRESH_COOKIE}={}; {CSRF_COOKIE}={}",
                self.access, self.refresh, self.csrf
            ),
        )
    }

    fn send_with_csrf(&self, call: Call) -> Call {
        self.send(call).header(CSRF_HEADER, &self.csrf)
    }
}

async fn signed_in(app: &App) -> (Jar, Value) {
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let answer = app
        .post("/api/v1/auth/register?mode=cookie")
        .json(&body)
        .send()
        .await
        .expect(201);
    (Jar::of(&answer), answer.value())
}

#[db_test]
async fn tokens_are_in_cookies_and_not_in_the_body(app: App) {
    let (jar, body) = signed_in(&app).await;
    assert_eq!(text(&body["csrf_token"]), jar.csrf);
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Cookie"), &json!(3600))
    );
    assert!(
        body.get("access_token").is_none() && body.get("refresh_token").is_none(),
        "{body}"
    );
    jar.send(app.get("/api/v1/auth/me")).send().await.expect(200);
    let bearer = app.get("/api/v1/auth/me").bearer(&jar.access).send().await;
    assert_problem(&bearer, 401, "unauthenticated", &[]);
}

#[db_test]
async fn unsafe_requests_need_the_csrf_token(app: App) {
    let (jar, _) = signed_in(&app).await;
    let body = json!({ "current_password": PASSWORD, "new_password": "another good one" });
    let change = || app.post("/api/v1/auth/password/change").json(&body);
    assert_problem(&jar.send(change()).send().await, 403, "csrf_mismatch", &[]);
    let forged = Jar {
        csrf: "forged".to_owned(),
        ..jar.clone()
    };
    assert_problem(
        &forged.send_with_csrf(change()).send().await,
        403,
        "csrf_mismatch",
        &[],
    );
    jar.send_with_csrf(change()).send().await.expect(204);
}

#[db_test]
async fn a_browser_refreshes_by_cookie(app: App) {
    let (jar, _) = signed_in(&app).await;
    app.clock().advance(Duration::from_secs(3601));
    let call = || app.post("/api/v1/auth/refresh?mode=cookie");
    assert_problem(&jar.send(call()).send().await, 403, "csrf_mismatch", &[]);
    let answer = jar.send_with_csrf(call()).send().await.expect(200);
    let next = Jar::of(&answer);
    assert_ne!(next.refresh, jar.refresh);
    assert_eq!(next.csrf, jar.csrf, "so that other tabs go on");
    next.send(app.get("/api/v1/auth/me")).send().await.expect(200);

    app.clock().advance(Duration::from_secs(6));
    assert_problem(
        &jar.send_with_csrf(call()).send().await,
        401,
        "refresh_reused",
        &[],
    );
    assert_problem(
        &next.send(app.get("/api/v1/auth/me")).send().await,
        401,
        "token_revoked",
        &[],
    );
    assert_problem(&call().send().await, 401, "refresh_invalid", &[]);
}

#[db_test]
async fn two_tabs_of_one_browser_refresh_at_once_and_both_go_on(app: App) {
    let (mut jar, _) = signed_in(&app).await;
    for _ in 0..3 {
        app.clock().advance(Duration::from_secs(3601));
        let tab = async || {
            let call = app.post("/api/v1/auth/refresh?mode=cookie");
            Jar::of(&jar.send_with_csrf(call).send().await.expect(200))
        };
        let (one, other) = futures::future::join(tab(), tab()).await;
        for tab in [&one, &other] {
            tab.send(app.get("/api/v1/auth/me")).send().await.expect(200);
        }
        // Both tabs have one jar, in which the later answer's cookies are.
        jar = other;
    }
}

#[db_test]
async fn the_two_modes_do_not_mix(app: App) {
    let (jar, _) = signed_in(&app).await;
    assert_problem(&refresh(&app, &jar.refresh).await, 401, "refresh_invalid", &[]);
    let bob = register(&app, "bob@example.org").await;
    let by_cookie = app
        .post("/api/v1/auth/refresh?mode=cookie")
        .cookie(REFRESH_COOKIE, &bob.refresh)
        .header(CSRF_HEADER, "x");
    assert_problem(&by_cookie.send().await, 401, "refresh_invalid", &[]);
    refresh(&app, &bob.refresh).await.expect(200);
    jar.send_with_csrf(app.post("/api/v1/auth/refresh?mode=cookie"))
        .send()
        .await
        .expect(200);
}

#[db_test]
async fn signing_out_takes_the_cookies_away(app: App) {
    let (jar, _) = signed_in(&app).await;
    assert_problem(
        &jar.send(app.post("/api/v1/auth/logout")).send().await,
        403,
        "csrf_mismatch",
        &[],
    );
    let answer = jar
        .send_with_csrf(app.post("/api/v1/auth/logout"))
        .send()
        .await
        .expect(204);
    for name in [ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE] {
        assert_eq!(answer.set_cookie(name), Some(""), "{name}");
    }
    assert_problem(
        &jar.send(app.get("/api/v1/auth/me")).send().await,
        401,
        "token_revoked",
        &[],
    );
}

#[db_test]
async fn one_can_sign_out_after_the_access_token_has_expired(app: App) {
    let (jar, _) = signed_in(&app).await;
    app.clock().advance(Duration::from_secs(3601));
    jar.send_with_csrf(app.post("/api/v1/auth/logout"))
        .send()
        .await
        .expect(204);
    let again = jar
        .send_with_csrf(app.post("/api/v1/auth/refresh?mode=cookie"))
        .send()
        .await;
    assert_problem(&again, 401, "refresh_invalid", &[]);
}

#[db_test]
async fn a_stale_cookie_does_not_keep_anybody_from_signing_in(app: App) {
    let (jar, _) = signed_in(&app).await;
    jar.send_with_csrf(app.post("/api/v1/auth/logout"))
        .send()
        .await
        .expect(204);
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    jar.send(app.post("/api/v1/auth/login?mode=cookie"))
        .json(&body)
        .send()
        .await
        .expect(200);
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
}

/// The cookies that a browser holds after it signed in by https.
async fn signed_in_by_https(app: &App) -> (String, String) {
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let call = app.post("/api/v1/auth/register?mode=cookie").by_https();
    let answer = call.json(&body).send().await.expect(201);
    let names = ["__Host-stoa_access", "__Secure-stoa_refresh", "__Host-stoa_csrf"];
    let pairs = names.map(|name| format!("{name}={}", answer.set_cookie(name).unwrap()));
    for name in [ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE] {
        assert_eq!(answer.set_cookie(name), None, "{name}");
    }
    (pairs.join("; "), text(&answer.value()["csrf_token"]))
}

#[db_test]
async fn over_https_the_cookies_are_bound_to_this_host(app: App) {
    let (cookies, csrf) = signed_in_by_https(&app).await;
    let me = app.get("/api/v1/auth/me").by_https().header("cookie", &cookies);
    me.send().await.expect(200);
    let refresh = app.post("/api/v1/auth/refresh?mode=cookie").by_https();
    let refresh = refresh.header("cookie", &cookies).header(CSRF_HEADER, &csrf);
    refresh.send().await.expect(200);
    let out = app.post("/api/v1/auth/logout").by_https();
    let out = out.header("cookie", &cookies).header(CSRF_HEADER, &csrf);
    assert_eq!(
        out.send().await.expect(204).set_cookie("__Host-stoa_access"),
        Some("")
    );
}

#[db_test]
async fn a_cookie_that_a_neighbouring_host_sets_signs_nobody_in(app: App) {
    let (cookies, _) = signed_in_by_https(&app).await;
    let body = json!({ "email": "eve@example.org", "password": PASSWORD });
    let answer = app
        .post("/api/v1/auth/register?mode=cookie")
        .json(&body)
        .send()
        .await;
    let attacker = Jar::of(&answer.expect(201));
    let tossed = format!("{ACCESS_COOKIE}={}", attacker.access);
    let call = |line: &str| {
        app.get("/api/v1/auth/me")
            .by_https()
            .header("cookie", line)
            .send()
    };
    assert_problem(&call(&tossed).await, 401, "unauthenticated", &[]);
    let both = call(&format!("{tossed}; {cookies}")).await.expect(200).value();
    assert_eq!(both["email"], "ada@example.org");
    // The same name twice: nobody can tell which is ours.
    let twice = call(&format!("__Host-stoa_access={}; {cookies}", attacker.access)).await;
    assert_problem(&twice, 401, "unauthenticated", &[]);
}

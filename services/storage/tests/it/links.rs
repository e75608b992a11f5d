//! Links: one object, for who has the address.

use std::time::Duration;

use futures::{StreamExt, stream};
use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::{Answer, assert_problem, eventually};

use crate::helpers::{App, BUCKETS, count, get, make_bucket, put, somebody, url, usage};

async fn make(app: &App, token: &str, body: Value) -> Answer {
    app.post(&format!("{BUCKETS}/data/links"))
        .bearer(token)
        .json(&body)
        .send()
        .await
}

/// Makes a link, and returns its address.
async fn link(app: &App, token: &str, body: Value) -> String {
    let made = make(app, token, body).await.expect(201).value();
    made["url"].as_str().unwrap().to_owned()
}

#[db_test]
async fn who_has_the_address_reads_the_object_until_it_expires_or_is_revoked(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    put(&app, &token, &url("data", "a"), "shared").await.expect(201);
    let made = make(
        &app,
        &token,
        json!({"kind": "download", "path": "a", "expires_in": 60}),
    )
    .await
    .expect(201)
    .value();
    let address = made["url"].as_str().unwrap().to_owned();
    let found = app.get(&address).send().await.expect(200);
    assert_eq!(
        (found.text().as_str(), found.header("cache-control")),
        ("shared", Some("private, no-cache"))
    );
    let part = app
        .get(&address)
        .header("range", "bytes=1-2")
        .send()
        .await
        .expect(206);
    assert_eq!(part.text(), "ha");
    let listed = get(&app, &token, &format!("{BUCKETS}/data/links"))
        .await
        .expect(200);
    assert_eq!(listed.value()["items"][0]["uses"], 2);
    let secret = address.rsplit('/').next().unwrap();
    assert!(!listed.text().contains(secret), "it is shown once");
    assert_problem(
        &app.put(&address).body("text/plain", "x").send().await,
        404,
        "not_found",
        &[],
    );

    let id = made["link"]["id"].as_str().unwrap();
    let eve = somebody(&app, "of-eve").await;
    for (bucket, who) in [("data", &eve), ("of-eve", &eve)] {
        let refused = app
            .delete(&format!("{BUCKETS}/{bucket}/links/{id}"))
            .bearer(who)
            .send()
            .await;
        assert_problem(&refused, 404, "not_found", &[]);
    }
    app.get(&address).send().await.expect(200);
    app.delete(&format!("{BUCKETS}/data/links/{id}"))
        .bearer(&token)
        .send()
        .await
        .expect(204);
    assert_problem(&app.get(&address).send().await, 404, "not_found", &[]);

    let short = link(
        &app,
        &token,
        json!({"kind": "download", "path": "a", "expires_in": 60}),
    )
    .await;
    app.clock().advance(Duration::from_secs(61));
    assert_problem(&app.get(&short).send().await, 404, "not_found", &[]);
    app.advance(Duration::from_secs(3700)).await;
    eventually("it is purged", || async { count(&app, "links").await == 0 }).await;
}

#[db_test]
async fn a_password_is_asked_for_and_guesses_are_limited(app: App) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "secret").await.expect(201);
    let body = json!({"kind": "download", "path": "a", "expires_in": 600, "password": "open sesame"});
    let address = link(&app, &token, body).await;
    let with = |password: &str| app.get(&address).header("x-link-password", password).send();
    assert_problem(
        &app.get(&address).send().await,
        403,
        "link_password_required",
        &[],
    );
    assert_eq!(with("open sesame").await.expect(200).text(), "secret");
    let mut refused = Vec::new();
    for _ in 0..12 {
        refused.push(with("open barley").await.status());
    }
    assert!(
        refused.starts_with(&[403; 8]) && refused.ends_with(&[429]),
        "{refused:?}"
    );
    assert_eq!(with("open sesame").await.status(), 429);
    let kept: Vec<u8> = crate::helpers::one(&app, "SELECT password FROM links").await;
    assert!(!kept.windows(11).any(|part| part == b"open sesame"));
}

#[db_test]
async fn it_is_used_so_often_also_when_all_come_at_once(app: App) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "shared").await.expect(201);
    let address = link(
        &app,
        &token,
        json!({"kind": "download", "path": "a", "expires_in": 60, "max_uses": 3}),
    )
    .await;
    let gets = stream::iter(0..9).map(|_| app.get(&address).send());
    let mut answers: Vec<u16> = gets
        .buffer_unordered(9)
        .map(|answer| answer.status())
        .collect()
        .await;
    answers.sort_unstable();
    assert_eq!(answers, [200, 200, 200, 404, 404, 404, 404, 404, 404]);
}

#[db_test]
async fn an_upload_link_stores_one_object_within_its_limits(app: App) {
    let token = somebody(&app, "data").await;
    let body = json!({"kind": "upload", "path": "in/box", "expires_in": 60, "max_uses": 1, "max_bytes": 10});
    let address = link(&app, &token, body).await;
    let store = |body: &'static str| app.put(&address).body("text/plain", body).send();
    assert_problem(&store("much too large").await, 413, "too_large", &[]);
    assert_problem(&app.get(&address).send().await, 404, "not_found", &[]);
    let made = store("fits").await.expect(201).value();
    assert_eq!(made["path"], "in/box");
    assert_problem(&store("again").await, 404, "not_found", &[]);
    assert_eq!(
        get(&app, &token, &url("data", "in/box")).await.expect(200).text(),
        "fits"
    );
    assert_eq!(usage(&app, &token).await, (1, 1, 4));
    let entries = app.audited("object.create").await;
    assert_eq!((entries.len(), entries[0].actor), (1, None));
    assert!(entries[0].detail["link_id"].is_string());
}

#[db_test]
async fn what_is_no_link_is_refused(app: App) {
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "x").await.expect(201);
    for (body, field) in [
        (
            json!({"kind": "download", "path": "a", "expires_in": 0}),
            "expires_in",
        ),
        (
            json!({"kind": "download", "path": "a", "expires_in": 2_592_001}),
            "expires_in",
        ),
        (
            json!({"kind": "download", "path": "../a", "expires_in": 1}),
            "path",
        ),
        (
            json!({"kind": "download", "path": "a", "expires_in": 1, "max_bytes": 1}),
            "max_bytes",
        ),
        (
            json!({"kind": "upload", "path": "a", "expires_in": 1, "max_uses": 0}),
            "max_uses",
        ),
        (
            json!({"kind": "upload", "path": "a", "expires_in": 1, "password": ""}),
            "password",
        ),
        (json!({"kind": "upload", "path": "a"}), "expires_in"),
    ] {
        assert_problem(&make(&app, &token, body).await, 422, "invalid_input", &[field]);
    }
    let missing = make(
        &app,
        &token,
        json!({"kind": "download", "path": "b", "expires_in": 1}),
    )
    .await;
    assert_problem(&missing, 404, "not_found", &[]);
    for token in ["nonsense", "0".repeat(43).as_str()] {
        let answer = app.get(&format!("/api/v1/storage/links/{token}")).send().await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
}

#[db_test]
async fn a_browser_is_asked_for_the_password_by_a_page(app: App) {
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let token = somebody(&app, "data").await;
    put(&app, &token, &url("data", "a"), "secret").await.expect(201);
    let body = json!({"kind": "download", "path": "a", "expires_in": 600, "password": "open & sesame"});
    let address = link(&app, &token, body).await;
    let send = |form: &'static str| {
        let call = app.post(&address).header("accept", BROWSER);
        call.body("application/x-www-form-urlencoded", form).send()
    };
    let asked = app.get(&address).header("accept", BROWSER).send().await;
    for (page, says) in [
        (asked, None),
        (send("password=open+barley").await, Some("not the password")),
        (send("password=").await, None),
    ] {
        assert_eq!(page.status(), 403);
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(page.header(name), Some(value));
        }
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'nonce-"),
            "{policy}"
        );
        let html = page.text();
        assert!(html.contains(r#"<form method="post">"#) && !html.contains("<script"));
        assert_eq!(html.contains(r#"role="alert""#), says.is_some());
        assert!(says.is_none_or(|says| html.contains(says)), "{html}");
        assert!(!html.contains("data") && !html.contains(&address), "{html}");
    }
    let sent = send("password=open+%26+sesame").await.expect(200);
    assert_eq!(
        (sent.text().as_str(), sent.header("cache-control")),
        ("secret", Some("private, no-cache"))
    );
    // Those who show no pages are answered as before.
    let refused = app
        .post(&address)
        .body("application/x-www-form-urlencoded", "password=x");
    assert_problem(&refused.send().await, 403, "link_password_wrong", &[]);
    assert_problem(
        &app.get(&address).send().await,
        403,
        "link_password_required",
        &[],
    );
    let refused = app.post(&address).json(&json!({"password": "x"})).send().await;
    assert_problem(&refused, 415, "unsupported_media_type", &[]);
    let mut last = send("password=x").await;
    for _ in 0..12 {
        last = send("password=x").await;
    }
    assert_eq!(last.status(), 429);
    assert!(last.text().contains("Try again later") && last.header("retry-after").is_some());
}

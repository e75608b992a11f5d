use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, HeaderValue, Request, StatusCode, header},
    middleware::map_request,
};
use http_body_util::BodyExt;
use stoa_mail::{DevPages, Mailer};
use tower::ServiceExt;

use crate::{folder, mail};

/// The pages for a browser that was given the key.
fn unlocked(mailer: &Mailer) -> Router {
    let DevPages { router, path, .. } = mailer.dev_mailbox().unwrap().unwrap();
    let (_, key) = path.split_once("?key=").unwrap();
    let cookie = HeaderValue::try_from(format!("stoa_dev_mail={key}")).unwrap();
    router.layer(map_request(move |mut request: Request<Body>| {
        request.headers_mut().insert(header::COOKIE, cookie.clone());
        std::future::ready(request)
    }))
}

type Headers<'a> = &'a [(&'a str, &'a str)];

const HERE: [(&str, &str); 1] = [("host", "localhost:3000")];

async fn get(
    router: &Router,
    peer: Option<&str>,
    path: &str,
    headers: Headers<'_>,
) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(peer) = peer {
        request
            .extensions_mut()
            .insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    }
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// As a browser on this machine asks.
async fn page(router: &Router, path: &str) -> (StatusCode, String) {
    let headers = [HERE[0], ("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let (status, _, body) = get(router, Some("127.0.0.1:5000"), path, &headers).await;
    (status, body)
}

#[tokio::test]
async fn an_empty_mailbox_says_what_to_expect() {
    let (mailer, _dir) = folder();
    let (status, body) = page(&unlocked(&mailer), "/dev/mail").await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("No mail yet"), "{body}");
}

#[tokio::test]
async fn the_list_links_to_each_mail() {
    let (mailer, _dir) = folder();
    let router = unlocked(&mailer);
    mailer.send(&mail("one")).await.unwrap();
    mailer.send(&mail("two")).await.unwrap();
    let (_, body) = page(&router, "/dev/mail").await;
    let place = |text: &str| {
        body.find(text)
            .unwrap_or_else(|| panic!("{text} is not in\n{body}"))
    };
    assert!(place("href=\"/dev/mail/two\"") < place("href=\"/dev/mail/one\""));
    assert!(body.contains("Welcome one") && body.contains("2 mails"), "{body}");
    assert!(!body.contains("http-equiv=\"refresh\""));
    assert!(
        page(&router, "/dev/mail?refresh=on")
            .await
            .1
            .contains("http-equiv=\"refresh\"")
    );
}

#[tokio::test]
async fn a_mails_html_stands_in_a_frame_that_can_do_nothing() {
    let (mailer, _dir) = folder();
    let router = unlocked(&mailer);
    let mut evil = mail("one");
    evil.subject = "<script>alert(1)</script>".to_owned();
    evil.html = Some("\"></iframe><script>alert(2)</script>".to_owned());
    mailer.send(&evil).await.unwrap();
    let (_, headers, body) = get(&router, Some("[::1]:5000"), "/dev/mail/one", &HERE).await;
    assert!(
        !body.contains("<script>") && body.contains("&lt;script&gt;"),
        "{body}"
    );
    assert!(
        body.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\" srcdoc=\""),
        "{body}"
    );
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none';") && !policy.contains("script-src"),
        "{policy}"
    );
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn links_in_a_mails_text_can_be_clicked() {
    let (mailer, _dir) = folder();
    let router = unlocked(&mailer);
    mailer.send(&mail("one")).await.unwrap();
    let (_, body) = page(&router, "/dev/mail/one?view=text").await;
    let link = "<a href=\"https://example.com/verify?token=abc\" rel=\"noopener noreferrer\">";
    assert!(body.replace("&#x2f;", "/").contains(link), "{body}");
    let mut plain = mail("plain");
    plain.html = None;
    mailer.send(&plain).await.unwrap();
    let (_, body) = page(&router, "/dev/mail/plain").await;
    assert!(body.contains("<pre>") && !body.contains("<iframe"), "{body}");
}

#[tokio::test]
async fn scripts_get_json() {
    let (mailer, _dir) = folder();
    let router = unlocked(&mailer);
    mailer.send(&mail("one")).await.unwrap();
    let asked = [HERE[0], ("accept", "application/json")];
    for (path, headers) in [("/dev/mail?format=json", &HERE[..]), ("/dev/mail", &asked[..])] {
        let (_, head, body) = get(&router, Some("127.0.0.1:5000"), path, headers).await;
        assert_eq!(head[header::CONTENT_TYPE], "application/json");
        let list: serde_json::Value = serde_json::from_str(&body).unwrap();
        let first = &list["items"][0];
        assert_eq!(
            (first["id"].as_str(), first["to"].as_str()),
            (Some("one"), Some("Ada <ada@example.com>"))
        );
        assert!(first["text"].as_str().unwrap().contains("verify?token=abc"));
        assert!(first["sent_at"].as_str().unwrap().ends_with('Z'), "{first}");
    }
    let (_, _, body) = get(
        &router,
        Some("127.0.0.1:5000"),
        "/dev/mail/one?format=json",
        &HERE,
    )
    .await;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["subject"],
        "Welcome one"
    );
}

#[tokio::test]
async fn an_unknown_mail_is_not_found() {
    let (mailer, _dir) = folder();
    let router = unlocked(&mailer);
    for path in ["/dev/mail/nobody", "/dev/mail/..%2f..%2fsecret", "/dev/mail/%00"] {
        let (status, body) = page(&router, path).await;
        assert_eq!(
            (status, body.contains("Not found")),
            (StatusCode::NOT_FOUND, true),
            "{path}"
        );
    }
}

#[tokio::test]
async fn nobody_but_callers_on_this_machine_sees_anything() {
    let (mailer, _dir) = folder();
    let router = unlocked(&mailer);
    mailer.send(&mail("one")).await.unwrap();
    let local = Some("127.0.0.1:5000");
    let refused: [(Option<&str>, Headers<'_>); 14] = [
        (None, &HERE),
        (Some("192.0.2.1:5000"), &HERE),
        (Some("[2001:db8::1]:5000"), &HERE),
        (Some("0.0.0.0:5000"), &HERE),
        (local, &[HERE[0], ("x-forwarded-for", "127.0.0.1")]),
        (local, &[HERE[0], ("forwarded", "for=127.0.0.1")]),
        (local, &[HERE[0], ("x-real-ip", "127.0.0.1")]),
        (local, &[]),
        (local, &[("host", "attacker.example:3000")]),
        (local, &[("host", "localhost.attacker.example")]),
        (local, &[("host", "localhost@attacker.example")]),
        (local, &[("host", "user@localhost")]),
        (local, &[("host", "127.0.0.1.attacker.example")]),
        (local, &[HERE[0], ("host", "attacker.example")]),
    ];
    for (peer, headers) in refused {
        for path in ["/dev/mail", "/dev/mail/one", "/dev/mail?format=json"] {
            let (status, head, body) = get(&router, peer, path, headers).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{peer:?} {headers:?}");
            assert_eq!(head[header::CONTENT_TYPE], "application/problem+json");
            assert!(!body.contains("Welcome"), "{body}");
        }
    }
    for peer in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        for host in [
            "localhost",
            "LOCALHOST:3000",
            "127.0.0.1",
            "127.0.0.1:3000",
            "[::1]",
            "[::1]:3000",
        ] {
            let (status, _, _) = get(&router, Some(peer), "/dev/mail", &[("host", host)]).await;
            assert_eq!(status, StatusCode::OK, "{peer} {host}");
        }
    }
}

#[tokio::test]
async fn nobody_sees_anything_without_the_key() {
    let (mailer, dir) = folder();
    mailer.send(&mail("one")).await.unwrap();
    let DevPages { router, path, .. } = mailer.dev_mailbox().unwrap().unwrap();
    let (_, key) = path.split_once("?key=").unwrap();
    let local = Some("127.0.0.1:5000");
    let wrong = format!("stoa_dev_mail={}", "x".repeat(key.len()));
    for (path, headers) in [
        ("/dev/mail", &HERE[..]),
        ("/dev/mail/one", &HERE[..]),
        ("/dev/mail?format=json", &HERE[..]),
        ("/dev/mail?key=", &HERE[..]),
        ("/dev/mail?key=x&format=json", &HERE[..]),
        ("/dev/mail", &[HERE[0], ("cookie", "stoa_dev_mail=")]),
        ("/dev/mail", &[HERE[0], ("cookie", &wrong)]),
    ] {
        let (status, _, body) = get(&router, local, path, headers).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path} {headers:?}");
        assert!(body.contains("dev-mail.key") && !body.contains(key), "{body}");
        assert!(!body.contains("Welcome"), "{body}");
    }
    let (status, headers, _) = get(&router, local, &path, &HERE).await;
    assert_eq!(
        (status, &headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &HeaderValue::from_static("/dev/mail"))
    );
    let cookie = headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    let kept = [HERE[0], ("cookie", cookie.split(';').next().unwrap())];
    assert_eq!(
        get(&router, local, "/dev/mail/one", &kept).await.0,
        StatusCode::OK
    );
    let json = format!("{path}&format=json");
    assert_eq!(
        get(&router, local, &json, &HERE).await.0,
        StatusCode::OK,
        "scripts need no cookie"
    );

    let file = dir.path().join("mail/dev-mail.key");
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), key);
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777,
        0o600
    );
    assert_eq!(mailer.dev_mailbox().unwrap().unwrap().path, path, "the key stays");
}

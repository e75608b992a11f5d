//! Whatever goes wrong is a problem with a code, and says nothing of our insides.

use crate::story::{request, story};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let story = story("");
    let unknown = story.get("/nowhere").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "not_found"));
    let method = story.send(request("DELETE", "/plain")).await;
    assert_eq!(
        (method.status, method.code().as_str()),
        (405, "method_not_allowed")
    );
    assert_eq!(method.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_request_is_served() {
    let story = story("");
    for path in ["/panic", "/broken"] {
        let answer = story.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
        assert_eq!(story.get("/plain").await.status, 200);
    }
}

#[tokio::test]
async fn bare_refusals_become_problems_and_keep_their_headers() {
    let story = story("");
    for (status, code) in [
        (400, "malformed_request"),
        (401, "unauthenticated"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (409, "conflict"),
        (413, "too_large"),
        (415, "unsupported_media_type"),
        (418, "refused"),
        (422, "invalid_input"),
        (429, "rate_limited"),
        (500, "internal"),
        (501, "internal"),
        (502, "bad_gateway"),
        (503, "unavailable"),
    ] {
        let answer = story.get(&format!("/bare/{status}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert_eq!(answer.header("allow"), "GET");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
    }
}

#[tokio::test]
async fn a_form_of_its_own_is_left_as_it_is() {
    let answer = story("").get("/own").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (400, "application/json")
    );
    assert_eq!(answer.json()["error"], "own");
}

#[tokio::test]
async fn what_takes_too_long_is_a_504() {
    let story = story("timeout = \"50ms\"");
    let answer = story.get("/slow").await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"));
    assert_eq!(story.get("/plain").await.status, 200);
}

#[tokio::test]
async fn odd_requests_are_never_a_fault_of_ours() {
    let story = story("");
    for path in [
        "//",
        "/%",
        "/%ff",
        "/things/%00",
        "/plain/..",
        "/things/%2e%2e%2f",
        "/plain?%zz=%",
        "/things/{id}",
        "/\"<>`",
    ] {
        let Ok(uri) = path.parse::<http::Uri>() else {
            continue;
        };
        for method in ["GET", "POST", "OPTIONS", "PURGE", "CONNECT", "TRACE", "HEAD"] {
            let answer = story
                .send(http::Request::builder().method(method).uri(uri.clone()))
                .await;
            assert!(answer.status < 500, "{method} {path}: {}", answer.status);
        }
    }
    for (name, value) in [
        ("authorization", &b"Bearer \xff\xfe"[..]),
        ("authorization", b"Basic"),
        ("cookie", b"stoa_access=\xff; ="),
        ("x-forwarded-for", b"\xff"),
        ("traceparent", "ü".repeat(40).as_bytes()),
        ("accept-encoding", b"\xff;q=,br;;"),
        ("origin", b"\xff"),
        ("idempotency-key", b"\xff"),
        ("user-agent", b"\xff"),
    ] {
        let answer = story.send(request("POST", "/echo").header(name, value)).await;
        assert!(answer.status < 500, "{name} {value:?}: {}", answer.status);
    }
}

//! Pages of other origins.

use crate::story::{request, story};

const OURS: &str =
    "cors.origins = [\"https://app.example.com\"]\ncors.credentials = true\ncors.max_age = \"10m\"";

fn preflight(origin: &str) -> http::request::Builder {
    request("OPTIONS", "/echo")
        .header("origin", origin)
        .header("access-control-request-method", "PUT")
}

#[tokio::test]
async fn a_named_origin_may_call_with_cookies() {
    let story = story(OURS);
    let asked = story.send(preflight("https://app.example.com")).await;
    assert_eq!(
        (asked.status, asked.header("access-control-allow-origin")),
        (204, "https://app.example.com")
    );
    assert_eq!(asked.header("access-control-allow-credentials"), "true");
    assert!(asked.header("access-control-allow-methods").contains("PUT"));
    for name in [
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "x-csrf-token",
        "traceparent",
        "tracestate",
        "baggage",
    ] {
        assert!(
            asked.header("access-control-allow-headers").contains(name),
            "{name}"
        );
    }
    assert_eq!(
        (asked.header("access-control-max-age"), asked.header("vary")),
        ("600", "origin")
    );

    for path in ["/plain", "/nowhere"] {
        let answer = story
            .send(request("GET", path).header("origin", "https://app.example.com"))
            .await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "https://app.example.com",
            "errors are readable as well"
        );
        let exposed = answer.header("access-control-expose-headers");
        for name in ["x-request-id", "etag", "content-disposition"] {
            assert!(exposed.contains(name), "{name}");
        }
    }
}

#[tokio::test]
async fn another_origin_may_not() {
    for settings in [OURS, ""] {
        let story = story(settings);
        for origin in [
            "https://evil.example.com",
            "https://app.example.com.evil.com",
            "http://app.example.com",
            "null",
        ] {
            let asked = story.send(preflight(origin)).await;
            assert_eq!((asked.status, asked.code().as_str()), (403, "origin_not_allowed"));
            let answer = story
                .send(request("GET", "/plain").header("origin", origin))
                .await;
            assert_eq!(
                (answer.status, answer.header("access-control-allow-origin")),
                (200, "")
            );
            assert_eq!(answer.header("access-control-allow-credentials"), "");
        }
    }
}

#[tokio::test]
async fn headers_whose_names_callers_choose_are_let_in_when_asked_for() {
    let story = story(OURS);
    let asked = preflight("https://app.example.com").header(
        "access-control-request-headers",
        "amz-sdk-request,content-md5, x-amz-date,x-amz-meta-colour,x-evil,x-amz-\"x\",x-amzn,x-meta-note",
    );
    let asked = story.send(asked).await;
    let allowed: Vec<_> = asked.header("access-control-allow-headers").split(", ").collect();
    for name in [
        "amz-sdk-request",
        "x-amz-date",
        "x-amz-meta-colour",
        "x-meta-note",
        "content-md5",
    ] {
        assert_eq!(allowed.iter().filter(|one| **one == name).count(), 1, "{name}");
    }
    for name in ["x-evil", "x-amzn", "x-amz-\"x\"", "x-amz-other"] {
        assert!(!allowed.contains(&name), "{name}");
    }
    let other = preflight("https://evil.example.com").header("access-control-request-headers", "x-amz-date");
    let other = story.send(other).await;
    assert_eq!(
        (other.status, other.header("access-control-allow-headers")),
        (403, "")
    );
}

#[tokio::test]
async fn any_origin_may_call_without_cookies() {
    let story = story("cors.origins = [\"*\"]");
    let answer = story
        .send(request("GET", "/plain").header("origin", "https://a.example"))
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(
        (
            answer.header("access-control-allow-credentials"),
            answer.header("vary")
        ),
        ("", "")
    );
}

#[tokio::test]
async fn options_that_is_no_preflight_goes_to_the_endpoint() {
    assert_eq!(
        story(OURS).send(request("OPTIONS", "/plain")).await.code(),
        "method_not_allowed"
    );
}

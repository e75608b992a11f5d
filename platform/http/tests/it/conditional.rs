//! Entity tags and `If-Match`.

use axum::{Router, body::Body, response::IntoResponse, routing::put};
use http::Method;
use stoa_http::{IfMatch, etag};

use crate::{Answer, request, send};

const VERSION: i64 = 7;

fn router() -> Router {
    let handler = async |if_match: IfMatch| match if_match.check(VERSION) {
        Ok(()) => [("etag", etag(VERSION + 1))].into_response(),
        Err(failure) => failure.into_response(),
    };
    Router::new().route("/thing", put(handler))
}

async fn put_if(if_match: &[&str]) -> Answer {
    let request = if_match
        .iter()
        .fold(request(Method::PUT, "/thing"), |request, tag| {
            request.header("if-match", *tag)
        });
    send(&router(), request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_version_that_was_read_may_be_changed() {
    for tags in [
        &[][..],
        &["*"],
        &["\"7\""],
        &["\"6\", \"7\""],
        &["\"6\"", "\"7\""],
        &[" \"7\" ,"],
        // As it comes back from an answer that was compressed.
        &["W/\"7\""],
        &["\"6\", W/\"7\""],
    ] {
        let answer = put_if(tags).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("etag")),
            (200, "\"8\""),
            "{tags:?}"
        );
    }
}

#[tokio::test]
async fn another_version_may_not() {
    for tag in ["\"6\"", "W/\"6\"", "\"seven\"", "\"\"", "\"6\", \"8\"", ""] {
        let answer = put_if(&[tag]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body["code"].as_str()),
            (412, Some("precondition_failed")),
            "{tag}"
        );
    }
}

#[tokio::test]
async fn what_is_no_tag_is_malformed() {
    for tag in ["7", "\"7", "x\"7\"", "\"", "W/7", "w/\"7\""] {
        assert_eq!(put_if(&[tag]).await.status, 400, "{tag}");
    }
}

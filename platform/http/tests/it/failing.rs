//! Failures as problems.

use axum::{Router, response::IntoResponse, routing::get as on_get};
use http::{HeaderValue, Method, header};
use serde_json::json;
use stoa_http::{Failure, FailureInfo, codes, method_not_allowed, not_found, with_request_id};

use crate::{Answer, get, request, send};

#[tokio::test]
async fn the_cause_goes_to_the_log_and_not_to_the_caller() {
    let response = Failure::internal("password of the database is xyzzy").into_response();
    let info = response.extensions().get::<FailureInfo>().unwrap().clone();
    assert_eq!(
        info.0.internal.as_deref(),
        Some("password of the database is xyzzy")
    );
    let answer = Answer::of(response).await;
    let expected = json!({
        "type": "/problems/internal", "title": "Something went wrong on our side", "status": 500, "code": "internal",
    });
    assert_eq!((answer.status.as_u16(), answer.body), (500, expected));
}

#[tokio::test]
async fn the_edge_writes_the_request_id_into_problems_alone() {
    let failure = Failure::new(codes::CONFLICT)
        .detail("Somebody was faster.")
        .header(header::RETRY_AFTER, HeaderValue::from_static("3"));
    let answer = Answer::of(with_request_id(failure.into_response(), "r-1")).await;
    let expected = json!({
        "type": "/problems/conflict", "title": "It was changed by another request", "status": 409, "code": "conflict",
        "detail": "Somebody was faster.", "request_id": "r-1",
    });
    assert_eq!(answer.body, expected);
    assert_eq!(
        (answer.header("retry-after"), answer.header("content-type")),
        ("3", "application/problem+json")
    );
    let other = Answer::of(with_request_id("\"as it was\"".into_response(), "r-1")).await;
    assert_eq!(other.body, "as it was");
}

#[tokio::test]
async fn databases_errors_become_the_right_problems() {
    let cases = [
        (stoa_db::Error::NotFound, 404, "not_found"),
        (stoa_db::Error::Unique, 409, "conflict"),
        (stoa_db::Error::Conflict, 409, "conflict"),
        (stoa_db::Error::Busy, 503, "unavailable"),
        (stoa_db::Error::Full, 503, "unavailable"),
        (
            stoa_db::Error::Engine("no such table: users".to_owned()),
            500,
            "internal",
        ),
    ];
    for (error, status, code) in cases {
        let answer = Answer::of(Failure::from(error).into_response()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (status, &json!(code))
        );
        assert!(!answer.body.to_string().contains("no such table"));
        assert_eq!(answer.header("retry-after"), if status == 503 { "1" } else { "" });
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let router = Router::new()
        .route("/thing", on_get(|| async { "here" }))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed);
    let answer = get(&router, "/nothing").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["code"]),
        (404, &json!("not_found"))
    );
    let answer = send(
        &router,
        request(Method::DELETE, "/thing")
            .body(axum::body::Body::empty())
            .unwrap(),
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["code"]),
        (405, &json!("method_not_allowed"))
    );
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[test]
fn codes_are_told_apart_by_their_names() {
    let mut names: Vec<_> = codes::CODES.iter().map(|code| code.code).collect();
    assert!(codes::CODES.iter().all(|code| (400..600).contains(&code.status)));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), codes::CODES.len());
}

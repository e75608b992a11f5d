//! What handlers and the edge rely on, through routers as they build them.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod callers;
mod conditional;
mod describing;
mod failing;
mod idempotency;
mod idempotency_credentials;
mod idempotency_shared;
mod input;
mod own_writes;
mod tokens;

use axum::{Router, body::Body, extract::Request, response::Response};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// An answer, read whole.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn send(router: &Router, request: Request) -> Answer {
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}

fn request(method: Method, uri: &str) -> http::request::Builder {
    Request::builder().method(method).uri(uri)
}

async fn get(router: &Router, uri: &str) -> Answer {
    send(router, request(Method::GET, uri).body(Body::empty()).unwrap()).await
}

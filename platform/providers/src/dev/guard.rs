//! Who may see the messages. They show links that reset passwords, so: callers on this machine who have the key of the pages.

use std::sync::Arc;

use axum::{
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use stoa_http::{cookie, is_local};
use subtle::ConstantTimeEq;

use super::page::Pages;

/// What lets somebody in.
pub(super) struct Lock {
    /// The channel: `mail`, `sms`.
    pub(super) channel: &'static str,
    pub(super) key: String,
    pub(super) pages: Arc<Pages>,
}

#[derive(Deserialize)]
struct Asked {
    key: Option<String>,
    format: Option<String>,
}

/// Shows nothing to callers elsewhere, and to those on this machine how to get the key. A browser that has it in its address gets a
/// cookie in its place.
pub(super) async fn holders_of_the_key(
    State(lock): State<Arc<Lock>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if !is_local(&parts) {
        return not_found();
    }
    let asked = Query::<Asked>::try_from_uri(&parts.uri).ok();
    let (key, json) = asked.map_or((None, false), |Query(asked)| {
        (asked.key, asked.format.as_deref() == Some("json"))
    });
    let given = key.as_deref().is_some_and(|key| lock.opens(key));
    if !given && !lock.is_kept(&parts.headers) {
        return lock.pages.locked();
    }
    let mut response = if given && !json {
        lock.keep(parts.uri.path())
    } else {
        next.run(Request::from_parts(parts, body)).await
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Lock {
    fn opens(&self, key: &str) -> bool {
        self.key.as_bytes().ct_eq(key.as_bytes()).into()
    }

    /// Keeps the key in the browser that was given it.
    fn cookie(&self) -> String {
        format!("stoa_dev_{}", self.channel)
    }

    fn is_kept(&self, headers: &HeaderMap) -> bool {
        cookie(headers, &self.cookie()).is_some_and(|key| self.opens(key))
    }

    /// To the same page without the key in its address, which would stay in the history.
    fn keep(&self, path: &str) -> Response {
        let kept = format!(
            "{}={}; Path=/dev/{}; HttpOnly; SameSite=Strict; Max-Age=2592000",
            self.cookie(),
            self.key,
            self.channel
        );
        let headers = [(header::LOCATION, path), (header::SET_COOKIE, kept.as_str())];
        (StatusCode::SEE_OTHER, headers).into_response()
    }
}

pub(super) fn not_found() -> Response {
    let body = r#"{"type":"/problems/not_found","title":"Not found","status":404,"code":"not_found"}"#;
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body,
    )
        .into_response()
}

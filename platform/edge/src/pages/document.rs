//! The API's description as JSON, written once.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use stoa_http::openapi;
use utoipa::openapi::OpenApi;

/// Serves the description under `/api/openapi.json`.
pub(crate) fn router(openapi: &OpenApi) -> Router {
    let json = Bytes::from(openapi::to_json(openapi).unwrap_or_else(|error| {
        tracing::error!(%error, "the API's description cannot be written");
        String::from("{}")
    }));
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&json)[..8]));
    let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"0\""));
    Router::new().route(
        "/api/openapi.json",
        get(async move |headers: HeaderMap| answer(&headers, json.clone(), tag.clone())),
    )
}

fn answer(headers: &HeaderMap, json: Bytes, tag: HeaderValue) -> Response {
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let known = known.flat_map(|line| line.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes()
    });
    let headers = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ];
    if known {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, json).into_response()
    }
}

//! The bound: an axum handler that does nothing but serialise the same answer. Also what proxies stand before.

use axum::{Json, Router, extract::State, routing::get};
use serde_json::Value;
use std::sync::Arc;

/// Where it answers: as stoa does.
pub(crate) const PATH: &str = "/api/v1/users/me";

pub(crate) async fn serve(address: &str, body: String) -> Result<(), crate::Error> {
    let body: Arc<Value> = Arc::new(serde_json::from_str(&body)?);
    let router = Router::new()
        .route(PATH, get(async |State(body): State<Arc<Value>>| Json(body)))
        .route("/health/ready", get(async || ()))
        .with_state(body);
    let listener = tokio::net::TcpListener::bind(address).await?;
    Ok(axum::serve(listener, router).await?)
}

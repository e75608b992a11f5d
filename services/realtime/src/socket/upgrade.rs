//! The handshake of RFC 6455.

use std::future::Future;

use axum::{body::Body, extract::FromRequestParts, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use stoa_edge::{Held, Tunnels};
use stoa_http::{Failure, Result, codes};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::error::UPGRADE_REQUIRED;

/// A request that asks to go on as a WebSocket.
pub(crate) struct Upgrade {
    on: OnUpgrade,
    accept: HeaderValue,
    /// The place that the connection takes up of those that there are.
    held: Option<Held>,
    /// All connections of this kind in the process, which a stop waits for.
    tunnels: Option<Tunnels>,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        if parts.method != Method::GET
            || !names(&parts.headers, header::CONNECTION, "upgrade")
            || !names(&parts.headers, header::UPGRADE, "websocket")
        {
            return Err(upgrade_required());
        }
        if parts
            .headers
            .get(header::SEC_WEBSOCKET_VERSION)
            .map(HeaderValue::as_bytes)
            != Some(b"13")
        {
            return Err(
                upgrade_required().header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
            );
        }
        let key = parts
            .headers
            .get(header::SEC_WEBSOCKET_KEY)
            .filter(|key| is_key(key));
        let key = key.ok_or_else(|| {
            Failure::new(codes::MALFORMED).detail("Sec-WebSocket-Key is not 16 bytes in base64.")
        })?;
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(Failure::internal)?;
        let on = parts.extensions.remove::<OnUpgrade>();
        Ok(Self {
            on: on.ok_or_else(upgrade_required)?,
            accept,
            held: parts.extensions.remove(),
            tunnels: parts.extensions.remove(),
        })
    }
}

fn upgrade_required() -> Failure {
    Failure::new(UPGRADE_REQUIRED)
        .header(header::UPGRADE, HeaderValue::from_static("websocket"))
        .header(header::CONNECTION, HeaderValue::from_static("upgrade"))
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD
        .decode(key.as_bytes())
        .is_ok_and(|bytes| bytes.len() == 16)
}

/// Whether a header lists this word.
fn names(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    let lines = headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|one| one.trim().eq_ignore_ascii_case(word))
}

impl Upgrade {
    /// Answers that it goes on as a WebSocket, and hands the stream to `talk` in a task of its own.
    pub(crate) fn accept<F, Fut>(self, talk: F) -> Response
    where
        F: FnOnce(TokioIo<Upgraded>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let Self {
            on,
            accept,
            held,
            tunnels,
        } = self;
        // Boxed, so that while it talks there is no more than the talk.
        let task = async move {
            match on.await {
                Ok(stream) => Box::pin(talk(TokioIo::new(stream))).await,
                Err(error) => tracing::debug!(%error, "a connection did not become a WebSocket"),
            }
            drop(held);
        };
        match tunnels {
            Some(tunnels) => tunnels.spawn(task),
            None => _ = tokio::spawn(task),
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        response
    }
}

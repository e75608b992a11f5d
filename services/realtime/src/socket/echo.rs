//! Somebody who says back what they hear, by the handshake and the frames of this service: what a conformance suite talks to.

use axum::{Router, response::Response, routing::get};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use super::{Upgrade, drive::limits};

/// Serves it at `/`, for messages of at most `max_bytes`.
pub fn echo(max_bytes: usize) -> Router {
    let answer = move |upgrade: Upgrade| async move {
        let answer: Response = upgrade.accept(move |stream| say_back(stream, max_bytes));
        answer
    };
    Router::new().route("/", get(answer))
}

async fn say_back(stream: TokioIo<Upgraded>, max_bytes: usize) {
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits(max_bytes))).await;
    while let Some(Ok(message)) = socket.next().await {
        let is_said = message.is_text() || message.is_binary();
        if is_said && socket.send(message).await.is_err() {
            break;
        }
        if socket.flush().await.is_err() {
            break;
        }
    }
}

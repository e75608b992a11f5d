//! WebSockets through the gateway.

use std::time::Duration;

use axum::{Router, extract::Request, response::Response, routing::any};
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use crate::{
    split::{gateway, replica},
    story::request,
};

/// Says back what it hears.
async fn echo(mut request: Request) -> Response {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned() else {
        let mut refused = Response::new("a WebSocket is wanted".into());
        *refused.status_mut() = StatusCode::UPGRADE_REQUIRED;
        return refused;
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = derive_accept_key(key.as_bytes());
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.parse().unwrap());
    response
}

fn echoes() -> Router {
    Router::new().route("/ws", any(echo))
}

#[tokio::test]
async fn what_is_said_comes_back_in_both_kinds_and_any_size() {
    let shop = replica(echoes()).await;
    let gateway = gateway("", &[&shop]).await;
    let (mut socket, answer) = client_async("ws://shop.example/ws", gateway.connect().await)
        .await
        .unwrap();
    assert_eq!(answer.status(), 101);
    for message in [
        Message::text("hello"),
        Message::binary(vec![7; 300_000]),
        Message::text(""),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn a_refusal_of_the_service_reaches_the_caller() {
    let shop = replica(echoes()).await;
    let gateway = gateway("", &[&shop]).await;
    let asked = request("GET", "/ws")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    assert_eq!(gateway.send(asked).await.status, 426);
}

#[tokio::test]
async fn a_silent_socket_is_closed() {
    let shop = replica(echoes()).await;
    let gateway = gateway("upstream.tunnel_idle = \"200ms\"", &[&shop]).await;
    let (mut socket, _) = client_async("ws://shop.example/ws", gateway.connect().await)
        .await
        .unwrap();
    let ended = timeout(Duration::from_secs(5), socket.next()).await.unwrap();
    assert!(!matches!(ended, Some(Ok(_))), "{ended:?}");
}

#[tokio::test]
async fn a_stop_waits_for_open_sockets() {
    let shop = replica(echoes()).await;
    let gateway = gateway("", &[&shop]).await;
    let (mut socket, _) = client_async("ws://shop.example/ws", gateway.connect().await)
        .await
        .unwrap();
    let stopped = tokio::spawn(gateway.stop());
    tokio::time::sleep(Duration::from_millis(200)).await;
    socket.send(Message::text("still there")).await.unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap(),
        Message::text("still there")
    );
    assert!(!stopped.is_finished());
    drop(socket);
    timeout(Duration::from_secs(3), stopped).await.unwrap().unwrap();
}

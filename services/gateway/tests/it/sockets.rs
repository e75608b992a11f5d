//! WebSockets through the gateway.

use std::time::Duration;

use axum::{Router, extract::Request, response::Response, routing::any};
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use crate::{
    split::{GRACE, gateway, gateway_limited, replica},
    story::request,
};

/// Says back what it hears.
async fn echo(request: Request) -> Response {
    switch(request, async |mut socket| {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

/// Switches to a WebSocket and hands it over.
fn switch<F, Fut>(mut request: Request, talk: F) -> Response
where
    F: FnOnce(WebSocketStream<TokioIo<Upgraded>>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY).cloned() else {
        let mut refused = Response::new("a WebSocket is wanted".into());
        *refused.status_mut() = StatusCode::UPGRADE_REQUIRED;
        return refused;
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        talk(WebSocketStream::from_raw_socket(io, Role::Server, None).await).await;
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

#[tokio::test]
async fn at_the_end_of_the_grace_both_sides_are_told_that_the_gateway_goes() {
    let (closed, mut closes) = mpsc::unbounded_channel();
    let told = any(async move |request: Request| {
        let closed = closed.clone();
        switch(request, async move |mut socket| {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Close(frame) = message {
                    let _ = closed.send(frame.map(|frame| u16::from(frame.code)));
                }
            }
        })
    });
    let shop = replica(Router::new().route("/ws", told)).await;
    let gateway = gateway("", &[&shop]).await;
    let (mut socket, _) = client_async("ws://shop.example/ws", gateway.connect().await)
        .await
        .unwrap();
    socket.send(Message::text("before")).await.unwrap();
    let stopped = tokio::spawn(gateway.stop());
    let last = timeout(GRACE * 3, socket.next()).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = last else {
        panic!("{last:?}");
    };
    assert_eq!(u16::from(frame.code), 1001);
    let close = timeout(Duration::from_secs(2), closes.recv()).await.unwrap();
    assert_eq!(close, Some(Some(1001)));
    timeout(Duration::from_secs(3), stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_open_socket_counts_as_a_connection_of_its_address() {
    let shop = replica(echoes()).await;
    let gateway = gateway_limited(2, &[&shop]).await;
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let (socket, _) = client_async("ws://shop.example/ws", gateway.connect().await)
            .await
            .unwrap();
        sockets.push(socket);
    }
    let refused = client_async("ws://shop.example/ws", gateway.connect().await).await;
    assert!(refused.is_err(), "both places are taken");
    let mut socket = sockets.pop().unwrap();
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    drop(socket);
    let begun = tokio::time::Instant::now();
    while client_async("ws://shop.example/ws", gateway.connect().await)
        .await
        .is_err()
    {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "the place is free again"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

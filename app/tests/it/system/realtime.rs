//! Channels, through whatever stands between the client and the service, and across its processes.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{System, email};
use crate::stoa::token;

/// How long something is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of one channel, by WebSocket.
struct Socket {
    socket: WebSocketStream<TcpStream>,
    /// As the last subscription said.
    epoch: Value,
}

impl Socket {
    /// Follows `channel` from behind `offset` of `epoch`, or from now on.
    async fn open(stoa: &System, secret: &str, channel: &str, from: Option<(&Value, i64)>) -> Option<Self> {
        let host = stoa.url.strip_prefix("http://").unwrap().to_owned();
        let stream = TcpStream::connect(&host).await.ok()?;
        let url = format!("ws://{host}/api/v1/realtime");
        let (socket, _) = client_async(url, stream).await.ok()?;
        let mut client = Self {
            socket,
            epoch: Value::Null,
        };
        client
            .say(&json!({ "id": 1, "connect": { "token": secret } }))
            .await?;
        client.next().await?.get("result")?;
        let mut wish = json!({ "channel": channel });
        if let Some((epoch, offset)) = from {
            wish["recover"] = json!({ "epoch": epoch, "offset": offset });
        }
        client.say(&json!({ "id": 2, "subscribe": wish })).await?;
        let answer = client.next().await?;
        let result = answer.get("result")?;
        assert_ne!(result["recovered"], false, "{answer}");
        client.epoch = result["epoch"].clone();
        Some(client)
    }

    async fn say(&mut self, command: &Value) -> Option<()> {
        self.socket.send(Message::text(command.to_string())).await.ok()
    }

    /// The next message that the test published.
    async fn counted(&mut self) -> Value {
        loop {
            let message = self.next().await.unwrap();
            if is_counted(&message) {
                return message;
            }
        }
    }

    /// The next text; none once the connection has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next())
                .await
                .expect("something comes in time")?
            {
                Ok(Message::Text(text)) => return serde_json::from_str(&text).ok(),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// Whether the test published it: services publish to a person's channel as well.
fn is_counted(message: &Value) -> bool {
    message["event"] == "client.counted"
}

fn channel_of(person: &Value) -> String {
    format!("user:{}", person["user"]["id"].as_str().unwrap())
}

/// Publishes by REST; false if nobody could be asked, or it is not known what came of it.
async fn publish(stoa: &System, secret: &str, channel: &str, number: i64) -> bool {
    let path = format!("/api/v1/realtime/channels/{channel}/messages");
    let body = json!({ "event": "client.counted", "data": number });
    let sent = stoa
        .request(Method::POST, &path)
        .bearer_auth(secret)
        .json(&body)
        .send()
        .await;
    sent.is_ok_and(|answer| answer.status() == 201)
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_everything_wherever_they_are_connected() {
    let stoa = System::start().await;
    let ada = stoa.register(&email("ada")).await;
    let (secret, channel) = (token(&ada).to_owned(), channel_of(&ada));
    let mut sockets = Vec::new();
    // So many that each process has some.
    for _ in 0..8 {
        sockets.push(Socket::open(&stoa, &secret, &channel, None).await.unwrap());
    }
    for number in 1..=40 {
        while !publish(&stoa, &secret, &channel, number).await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    for socket in &mut sockets {
        for number in 1..=40 {
            assert_eq!(socket.counted().await["data"], number);
        }
    }
    let begun = Instant::now();
    let out = stoa
        .request(Method::POST, "/api/v1/auth/logout")
        .bearer_auth(&secret)
        .send()
        .await
        .unwrap();
    assert!(out.status().is_success(), "{}", out.status());
    for socket in &mut sockets {
        let last = loop {
            let last = socket.next().await.unwrap();
            if last["event"].is_null() {
                break last;
            }
        };
        assert_eq!(last["disconnect"]["code"], "token_revoked");
        assert!(socket.next().await.is_none());
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_goes_through_as_well() {
    let stoa = System::start().await;
    let ada = stoa.register(&email("ada")).await;
    let (secret, channel) = (token(&ada).to_owned(), channel_of(&ada));
    let path = format!("/api/v1/realtime/events?channels={channel}");
    let answer = stoa.get(&path, &secret).await;
    assert_eq!(answer.status(), 200);
    let mut body = answer.bytes_stream();
    let mut text = String::new();
    let mut read = async |what: &str| {
        while !text.contains(what) {
            let chunk = timeout(PATIENCE, body.next())
                .await
                .expect("something comes in time");
            text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
        }
    };
    read("subscribed").await;
    for number in 1..=3 {
        assert!(publish(&stoa, &secret, &channel, number).await);
        read(&format!("\"data\":{number},")).await;
    }
}

/// Processes are killed and restarted while it is published. A client that comes back has every message once, in order.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missed_over_restarts() {
    let mut stoa = System::start_alone().await;
    let ada = stoa.register(&email("ada")).await;
    let (secret, channel) = (token(&ada).to_owned(), channel_of(&ada));
    let mut acknowledged = Vec::new();
    let (mut seen, mut offset, mut epoch) = (Vec::new(), 0, json!(""));
    for round in 0..3 {
        let mut socket = loop {
            match Socket::open(&stoa, &secret, &channel, Some((&epoch, offset))).await {
                Some(socket) => break socket,
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        for number in round * 10..round * 10 + 10 {
            if publish(&stoa, &secret, &channel, number).await {
                acknowledged.push(number);
            }
        }
        // Some of it is left for the next.
        while let Some(message) = socket.next().await {
            assert_eq!(message["offset"], offset + 1);
            offset += 1;
            seen.extend(message["data"].as_i64().filter(|_| is_counted(&message)));
            if offset % 10 == 7 {
                break;
            }
        }
        epoch = match &socket.epoch {
            Value::String(epoch) if epoch.is_empty() => head(&stoa, &secret, &channel).await,
            epoch => epoch.clone(),
        };
        if round == 0 {
            stoa.restart();
        } else {
            stoa.kill();
        }
        while socket.next().await.is_some() {}
    }
    let mut socket = loop {
        match Socket::open(&stoa, &secret, &channel, Some((&epoch, offset))).await {
            Some(socket) => break socket,
            None => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    assert!(publish(&stoa, &secret, &channel, 1000).await);
    while seen.last() != Some(&1000) {
        let message = socket.next().await.unwrap();
        assert_eq!(message["offset"], offset + 1);
        offset += 1;
        seen.extend(message["data"].as_i64().filter(|_| is_counted(&message)));
    }
    let mut distinct = seen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "nothing comes twice: {seen:?}");
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(
        acknowledged.iter().all(|number| seen.contains(number)),
        "{acknowledged:?} {seen:?}"
    );
}

/// The epoch of a channel to which something has been published.
async fn head(stoa: &System, secret: &str, channel: &str) -> Value {
    Socket::open(stoa, secret, channel, None).await.unwrap().epoch
}

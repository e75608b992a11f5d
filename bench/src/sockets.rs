//! One message to many connections, beside the servers that people write with Node; and what a connection costs that waits.

use std::{
    fmt::Write,
    net::Ipv4Addr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    peer::Peer,
    process::resident,
    report::Report,
    rounds::{ROUNDS, median},
    server::Server,
    socket::Socket,
};

/// Connections that each message goes to.
const READERS: u64 = 1000;
/// Messages that may be on their way at once.
const AHEAD: u64 = 64;
/// Connections that wait.
const IDLE: usize = 10_000;
/// Addresses that they come from: no single one may have them all.
const ADDRESSES: usize = 16;
/// What is published, beside its envelope.
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all.";

/// How a server is spoken to.
#[derive(Clone)]
enum Protocol {
    /// Ours: a token, then a channel.
    Stoa {
        token: String,
        channel: String,
    },
    SocketIo,
    Plain,
}

pub(crate) async fn measure(stoa: &Path, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let (server, protocol) = ours(stoa).await?;
    fan_out(&server, &protocol, seconds, report).await?;
    idle(&server, &protocol, report).await
}

/// Stoa with limits too high to refuse, and somebody's own channel.
async fn ours(stoa: &Path) -> Result<(Server, Protocol), crate::Error> {
    let server = Server::with(
        stoa,
        &[
            ("GATEWAY__CONNECTIONS_PER_ADDRESS", "20000"),
            ("REALTIME__CONNECTIONS_PER_ADDRESS", "20000"),
            ("REALTIME__CONNECTIONS_PER_USER", "20000"),
            ("REALTIME__COMMANDS_PER_CONNECTION", "1000000/s"),
            ("REALTIME__PUBLISHES_PER_USER", "1000000/s"),
        ],
    )
    .await?;
    let token = server.register().await?;
    let me: Value = serde_json::from_str(&crate::server::get(&server.me(), &token).await?)?;
    let user = me["user_id"].as_str().ok_or("a profile without user_id")?;
    let channel = format!("user:{user}");
    Ok((server, Protocol::Stoa { token, channel }))
}

async fn fan_out(
    server: &Server,
    protocol: &Protocol,
    seconds: u64,
    report: &mut Report,
) -> Result<(), crate::Error> {
    let (socketio, ws) = (Peer::sockets("socketio")?, Peer::sockets("ws")?);
    let servers = [
        (server.address().to_owned(), protocol.clone()),
        (socketio.address(), Protocol::SocketIo),
        (ws.address(), Protocol::Plain),
    ];
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((address, protocol), rates) in servers.iter().zip(&mut rates) {
            rates.push(broadcast(address, protocol, seconds).await?);
        }
    }
    let [ours, socketio, ws] = rates;
    let times = |other: &[f64]| median(ours.iter().zip(other).map(|(ours, other)| ours / other));
    let of_socketio = times(&socketio);
    report.bounded(
        "messages to 1,000 WebSockets, each kept in the channel's history",
        format!("{:.0} thousand/s", median(ours.iter().copied()) / 1000.0),
        format!(
            "{of_socketio:.1} times socket.io's {:.0} thousand/s, {:.1} times the {:.0} thousand/s of ws alone",
            median(socketio.iter().copied()) / 1000.0,
            times(&ws),
            median(ws.iter().copied()) / 1000.0
        ),
        "at least 10 times socket.io",
        of_socketio >= 10.0,
    );
    Ok(())
}

/// Messages a second that arrive, while one connection publishes as fast as they do.
async fn broadcast(address: &str, protocol: &Protocol, seconds: u64) -> Result<f64, crate::Error> {
    let seen = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let socket = open(Ipv4Addr::LOCALHOST, address, protocol).await?;
        readers.spawn(socket.count(Arc::clone(&seen)));
    }
    let mut publisher = open(Ipv4Addr::LOCALHOST, address, protocol).await?;
    let (mut published, start) = (0_u64, Instant::now());
    let arrived = || seen.load(Ordering::Relaxed);
    while start.elapsed() < Duration::from_secs(seconds) {
        if published >= arrived() / READERS + AHEAD {
            tokio::time::sleep(Duration::from_micros(200)).await;
            continue;
        }
        publisher.say(&publish(protocol, published)).await?;
        published += 1;
        // Answers, and one's own messages: they are not counted.
        while let Some(Ok(_)) = publisher.next().now_or_never() {}
    }
    let rate = arrived() as f64 / start.elapsed().as_secs_f64();
    if arrived() < READERS {
        return Err(format!("no message came from {address}").into());
    }
    Ok(rate)
}

/// A connection that follows what is published.
async fn open(from: Ipv4Addr, address: &str, protocol: &Protocol) -> Result<Socket, crate::Error> {
    match protocol {
        Protocol::Stoa { token, channel } => {
            let mut socket = Socket::open(from, address, "/api/v1/realtime").await?;
            for command in [
                json!({ "id": 1, "connect": { "token": token } }),
                json!({ "id": 2, "subscribe": { "channel": channel } }),
            ] {
                socket.say(&command.to_string()).await?;
                let answer = socket.next().await?;
                if !answer.contains("\"result\"") {
                    return Err(answer.into());
                }
            }
            Ok(socket)
        }
        Protocol::SocketIo => {
            let mut socket = Socket::open(from, address, "/socket.io/?EIO=4&transport=websocket").await?;
            socket.next().await?;
            socket.say("40").await?;
            socket.next().await?;
            Ok(socket)
        }
        Protocol::Plain => Socket::open(from, address, "/").await,
    }
}

fn publish(protocol: &Protocol, number: u64) -> String {
    let data = json!({ "number": number, "text": TEXT });
    match protocol {
        Protocol::Stoa { channel, .. } => {
            let publish = json!({ "channel": channel, "event": "client.counted", "data": data });
            json!({ "id": number, "publish": publish }).to_string()
        }
        Protocol::SocketIo => {
            let mut text = String::from("42");
            // Writing to a string does not fail.
            let _ = write!(text, "{}", json!(["publish", data]));
            text
        }
        Protocol::Plain => data.to_string(),
    }
}

async fn idle(server: &Server, protocol: &Protocol, report: &mut Report) -> Result<(), crate::Error> {
    let process = server.id().ok_or("stoa is gone")?;
    // What it keeps of the connections before.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = resident(process)?;
    let mut sockets = Vec::with_capacity(IDLE);
    for number in 0..IDLE {
        let from = Ipv4Addr::new(127, 0, 0, (1 + number % ADDRESSES) as u8);
        sockets.push(open(from, server.address(), protocol).await?);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let each = (resident(process)? - before) * 1024.0 / IDLE as f64;
    drop(sockets);
    report.bounded(
        "memory of a WebSocket that follows a channel and waits",
        format!("{each:.1} KiB"),
        "of 10,000".to_owned(),
        "at most 12 KiB",
        each <= 12.0,
    );
    Ok(())
}

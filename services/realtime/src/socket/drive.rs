//! A WebSocket's own task: reads commands, sends what waits in the outbox, and sees whether anybody is still there.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Bytes, Error, Message,
        error::CapacityError,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{
    RealtimeConfig,
    hub::{Batch, Close, Frame},
    session::{Disconnect, Session},
};

/// Read at once. Most commands are shorter, and each connection has a buffer of this size.
const READ_BUFFER: usize = 1024;
/// What is gathered before it is written.
const WRITE_BUFFER: usize = 16 * 1024;
/// How long a client may take to answer a close.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a connection ends.
enum End {
    /// The client has closed it, or the line is gone.
    Gone,
    /// It is closed by us.
    Close(Close),
    /// The client has broken the protocol.
    Broken(CloseCode, &'static str),
}

/// How a socket reads and writes, whose messages have at most `max_bytes`.
pub(super) fn limits(max_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max_bytes))
        .max_frame_size(Some(max_bytes))
}

/// Talks with one client until the connection ends.
pub(crate) async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: &RealtimeConfig,
    mut session: Session,
) {
    let limits = limits(config.command_max_bytes);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    let end = talk(&mut socket, config, &mut session).await;
    // From here on nobody is to wait for it.
    drop(session);
    let frame = match end {
        End::Gone => None,
        End::Close(close) => {
            metrics::counter!("stoa_realtime_closed_total", "reason" => close.reason.name).increment(1);
            let last = Frame::of(&Disconnect::from(&close));
            let sent = timeout(GOODBYE, socket.feed(Message::Text(last.text))).await;
            let frame = CloseFrame {
                code: CloseCode::from(close.reason.code),
                reason: close.reason.name.into(),
            };
            matches!(sent, Ok(Ok(()))).then_some(frame)
        }
        End::Broken(code, reason) => Some(CloseFrame {
            code,
            reason: reason.into(),
        }),
    };
    let goodbye = async {
        if let Some(frame) = frame {
            socket.send(Message::Close(Some(frame))).await?;
        }
        socket.flush().await?;
        // What the client still sends is read and thrown away, or the kernel would take the last frame back.
        while let Some(Ok(_)) = socket.next().await {}
        Ok::<_, Error>(())
    };
    let _ = timeout(GOODBYE, goodbye).await;
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    config: &RealtimeConfig,
    session: &mut Session,
) -> End {
    let heartbeat = config.heartbeat.0;
    let (begun, mut read_at) = (Instant::now(), Instant::now());
    let mut tick = begun + heartbeat.min(config.connect_timeout.0);
    loop {
        let connection = std::sync::Arc::clone(session.connection());
        tokio::select! {
            read = socket.next(), if session.has_room() => {
                read_at = Instant::now();
                match read {
                    Some(Ok(Message::Text(text))) => session.handle(&text).await,
                    Some(Ok(Message::Binary(_))) => {
                        return End::Broken(CloseCode::Unsupported, "commands are text");
                    }
                    Some(Ok(Message::Close(_))) | None => return End::Gone,
                    // A pong is written with what comes next, and that may not be soon.
                    Some(Ok(Message::Ping(_))) => match timeout(config.write_timeout.0, socket.flush()).await {
                        Ok(Ok(())) => {}
                        _ => return End::Gone,
                    },
                    Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Err(error)) => return broken(&error),
                }
            }
            () = session.answer_published() => {}
            batch = connection.outbox.next() => {
                if let Some(end) = send(socket, config, session, batch).await {
                    return end;
                }
            }
            () = tokio::time::sleep_until(tick) => {
                let now = Instant::now();
                tick = now + heartbeat;
                if !session.is_connected() && now.duration_since(begun) >= config.connect_timeout.0 {
                    return End::Close(Close::connect_timeout());
                }
                // Nothing is read while there is no room: that is no fault of the client.
                if session.has_room() && now.duration_since(read_at) >= heartbeat * 2 {
                    return End::Close(Close::heartbeat());
                }
                let asked = socket.send(Message::Ping(Bytes::new()));
                if !matches!(timeout(config.write_timeout.0, asked).await, Ok(Ok(()))) {
                    return End::Gone;
                }
            }
        }
    }
}

/// Sends what waited. Some: that was the last.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    config: &RealtimeConfig,
    session: &Session,
    batch: Batch,
) -> Option<End> {
    let writing = async {
        for frame in batch.frames {
            socket.feed(Message::Text(frame.text)).await?;
        }
        socket.flush().await
    };
    let written = tokio::select! {
        written = timeout(config.write_timeout.0, writing) => written,
        // Nothing more is to be sent to them.
        () = session.connection().outbox.cut(), if batch.close.is_none() => {
            return Some(End::Close(session.connection().outbox.next().await.close?));
        }
    };
    match written {
        Ok(Ok(())) => batch.close.map(End::Close),
        Ok(Err(_)) => Some(End::Gone),
        Err(_) => Some(End::Close(Close::slow_consumer())),
    }
}

fn broken(error: &Error) -> End {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            End::Broken(CloseCode::Size, "the command is too large")
        }
        Error::Utf8(_) => End::Broken(CloseCode::Invalid, "not UTF-8"),
        Error::Protocol(_) => End::Broken(CloseCode::Protocol, "not as RFC 6455 says"),
        _ => End::Gone,
    }
}

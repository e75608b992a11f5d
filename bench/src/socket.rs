//! A client of WebSockets that costs next to nothing: what is measured are servers.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Shorter texts are no messages, but answers and signs of life.
const MESSAGE: usize = 60;

/// One connection.
pub(crate) struct Socket {
    stream: TcpStream,
    /// What has been read and is not a whole frame yet.
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens `ws://address/path` from one of this machine's own addresses.
    pub(crate) async fn open(from: Ipv4Addr, address: &str, path: &str) -> Result<Self, crate::Error> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let mut stream = socket.connect(address.parse()?).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = Vec::with_capacity(1024);
        let end = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err("the connection was closed before its upgrade".into());
            }
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !buffer.starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(&buffer).into_owned().into());
        }
        buffer.drain(..end);
        Ok(Self { stream, buffer })
    }

    /// Sends a text.
    pub(crate) async fn say(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(&masked(text)).await
    }

    /// The next text.
    pub(crate) async fn next(&mut self) -> Result<String, crate::Error> {
        loop {
            if let Some((is_text, header, length)) = frame(&self.buffer)
                && self.buffer.len() >= header + length
            {
                let rest = self.buffer.split_off(header + length);
                let whole = std::mem::replace(&mut self.buffer, rest);
                if is_text {
                    return Ok(String::from_utf8_lossy(&whole[header..]).into_owned());
                }
                continue;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed".into());
            }
        }
    }

    /// Counts messages until the connection ends.
    pub(crate) async fn count(mut self, seen: Arc<AtomicU64>) -> io::Result<()> {
        let mut piece = vec![0; 16 * 1024];
        loop {
            let mut at = 0;
            let mut messages = 0;
            while let Some((is_text, header, length)) = frame(&self.buffer[at..])
                && self.buffer.len() - at >= header + length
            {
                messages += u64::from(is_text && length >= MESSAGE);
                at += header + length;
            }
            self.buffer.drain(..at);
            seen.fetch_add(messages, Ordering::Relaxed);
            let read = self.stream.read(&mut piece).await?;
            if read == 0 {
                return Ok(());
            }
            self.buffer.extend_from_slice(&piece[..read]);
        }
    }
}

/// Whether a frame from a server is text, and the lengths of its header and body.
fn frame(bytes: &[u8]) -> Option<(bool, usize, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (header, length) = match second & 127 {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
        ),
        short => (2, usize::from(short)),
    };
    Some((first & 15 == 1, header, length))
}

/// A text as a client sends it, with a mask that changes nothing.
fn masked(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(short @ ..126) => bytes.push(0x80 | short as u8),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend(length.unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    bytes
}

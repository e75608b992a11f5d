//! Handshakes over accepted connections, limited in time and number.

use std::{io, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{ACME_ALPN, Mutual};

/// How handshakes are limited. The defaults fit a public listener.
#[derive(Clone, Copy, Debug)]
pub struct Handshakes {
    /// How long one may take, waiting for its turn included.
    pub time: Duration,
    /// Handshakes at once; further ones wait for their turn.
    pub at_once: usize,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            at_once: 1024,
        }
    }
}

/// Speaks TLS over accepted connections. Cheap to clone; clones share the limit.
#[derive(Clone)]
pub struct Acceptor {
    config: Config,
    limits: Handshakes,
    places: Arc<Semaphore>,
}

#[derive(Clone)]
enum Config {
    Fixed(Arc<ServerConfig>),
    Mutual(Arc<Mutual>),
    MutualHttp(Arc<Mutual>),
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer speaks HTTP without TLS; it was told.
    #[error("the peer speaks HTTP without TLS")]
    Plain,
    /// A certificate authority looked whether the name is ours, and is done.
    #[error("a certificate authority has looked whether the name is ours")]
    Authority,
    /// It was not done in time.
    #[error("no handshake within {0:?}")]
    Late(Duration),
    /// The peer left, speaks something else, or refuses us, or we refuse it.
    #[error("{0}")]
    Refused(#[from] io::Error),
}

/// For browsers that were sent here with `http://`.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 52\r\nconnection: close\r\n\r\nThis port speaks TLS only: begin with https:// here.";
/// A peer that is sent away has so long to read why, and so many times 4 KiB of what it sends are read.
const HANG_UP: Duration = Duration::from_secs(1);
const MOST_UNREAD: u8 = 16;
/// The first byte of what a TLS client sends.
const HANDSHAKE: u8 = 0x16;

impl Acceptor {
    /// Speaks as `config` says.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>, limits: Handshakes) -> Self {
        Self::with(Config::Fixed(config), limits)
    }

    /// Speaks with peers that show a certificate.
    #[must_use]
    pub fn mutual(mutual: Arc<Mutual>, limits: Handshakes) -> Self {
        Self::with(Config::Mutual(mutual), limits)
    }

    /// As [`Acceptor::mutual`], for HTTP of any version rather than gRPC.
    #[must_use]
    pub fn mutual_http(mutual: Arc<Mutual>, limits: Handshakes) -> Self {
        Self::with(Config::MutualHttp(mutual), limits)
    }

    fn with(config: Config, limits: Handshakes) -> Self {
        Self {
            config,
            limits,
            places: Arc::new(Semaphore::new(limits.at_once)),
        }
    }

    /// The handshake of one connection. Waits for the peer: never call it in the loop that accepts.
    ///
    /// # Errors
    /// When there is nothing to serve on this connection.
    pub async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let end = Instant::now() + self.limits.time;
        let late = |_| HandshakeError::Late(self.limits.time);
        // Who says nothing yet takes no place from those who do.
        let mut first = [0];
        timeout_at(end, stream.peek(&mut first)).await.map_err(late)??;
        if first[0].is_ascii_uppercase() {
            hang_up(stream, SPEAK_TLS).await;
            return Err(HandshakeError::Plain);
        }
        if first[0] != HANDSHAKE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer does not speak TLS").into());
        }
        let handshake = async {
            // The semaphore is never closed.
            let _place = self.places.acquire().await;
            TlsAcceptor::from(self.config())
                .accept(stream)
                .into_fallible()
                .await
        };
        let mut stream = match timeout_at(end, handshake).await.map_err(late)? {
            Ok(stream) => stream,
            Err((error, stream)) => {
                // What TLS says to the peer about it has been written.
                hang_up(stream, b"").await;
                return Err(error.into());
            }
        };
        if stream.get_ref().1.alpn_protocol() == Some(ACME_ALPN) {
            let _ = timeout_at(end, stream.shutdown()).await;
            return Err(HandshakeError::Authority);
        }
        Ok(stream)
    }

    fn config(&self) -> Arc<ServerConfig> {
        match &self.config {
            Config::Fixed(config) => Arc::clone(config),
            Config::Mutual(mutual) => mutual.server(),
            Config::MutualHttp(mutual) => mutual.http_server(),
        }
    }
}

/// Writes some last words and reads for a moment what still comes: data left unread would make the kernel take the words
/// back.
async fn hang_up(mut stream: TcpStream, words: &[u8]) {
    let last = async {
        stream.write_all(words).await?;
        stream.shutdown().await?;
        let (mut sink, mut left) = ([0; 4096], MOST_UNREAD);
        while left > 0 && stream.read(&mut sink).await? > 0 {
            left -= 1;
        }
        Ok::<_, io::Error>(())
    };
    // Whoever has left already needs no words.
    let _ = timeout(HANG_UP, last).await;
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_to_plain_http_has_the_length_it_says() {
        let text = std::str::from_utf8(super::SPEAK_TLS).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
    }
}

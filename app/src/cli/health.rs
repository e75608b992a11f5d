//! `stoa health`.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

use rustls::{ClientConnection, StreamOwned};

use super::say;
use crate::{
    mount::Error,
    settings::{ServerConfig, SettingsArgs},
};

/// How long the answer may take: a little less than the patience of whoever runs this.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most of an answer that is read: its first line is all that counts.
const ENOUGH: u64 = 1024;

/// Ask the stoa that serves with these settings whether it is ready; exit code 1 if it is not
#[derive(Debug, clap::Args)]
pub(crate) struct Health {
    /// Host and port to ask, with https:// before it if TLS is spoken there [default: what the settings say is listened on]
    #[arg(long, value_name = "HOST:PORT")]
    at: Option<String>,
    /// Only whether it is alive, ready or not
    #[arg(long)]
    live: bool,
}

impl Health {
    pub(crate) fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let (address, tls) = match &self.at {
            Some(at) => resolve(at)?,
            None => {
                let server: ServerConfig = args.load(Vec::new())?.section("server")?;
                (reachable(server.listen), server.tls.is_on())
            }
        };
        let path = if self.live {
            "/health/live"
        } else {
            "/health/ready"
        };
        let status =
            ask(address, tls, path).map_err(|e| format!("nothing at {address} answers {path}: {e}"))?;
        say(format!("{path}: {status}"));
        Ok(if status == 200 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        })
    }
}

fn resolve(at: &str) -> Result<(SocketAddr, bool), Error> {
    let (tls, place) = match at.strip_prefix("https://") {
        Some(place) => (true, place),
        None => (false, at.trim_start_matches("http://")),
    };
    let found = place
        .to_socket_addrs()
        .map_err(|e| format!("'{at}' is no host and port, such as 127.0.0.1:3000: {e}"))?;
    let address = found.last().ok_or_else(|| format!("'{at}' has no address"))?;
    Ok((address, tls))
}

/// What listens on every address is asked on this machine's own.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listening.port())
}

/// One request of a few bytes: a client that could do more would be a part of the program for this alone. Over TLS no
/// certificate is looked at: it is made out to the name by which people come, not to the address that is asked here.
pub(super) fn ask(address: SocketAddr, tls: bool, path: &str) -> Result<u16, Error> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if !tls {
        return exchange(stream, address, path);
    }
    let client = ClientConnection::new(stoa_tls::trusting_anybody()?, address.ip().into())?;
    exchange(StreamOwned::new(client, stream), address, path)
}

fn exchange(mut stream: impl Read + Write, address: SocketAddr, path: &str) -> Result<u16, Error> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    stream.flush()?;
    let mut answer = Vec::new();
    let read = stream.take(ENOUGH).read_to_end(&mut answer);
    match (status(&answer), read) {
        // However the connection ended, the answer had come.
        (Some(status), _) => Ok(status),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err("the answer is not HTTP; is it served by TLS?".into()),
    }
}

/// The status in `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_here() {
        for (listening, asked) in [
            ("0.0.0.0:3000", "127.0.0.1:3000"),
            ("[::]:3000", "[::1]:3000"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[test]
    fn the_status_is_read_from_the_first_line_alone() {
        assert_eq!(
            status(b"HTTP/1.1 503 Service Unavailable\r\nx: HTTP/1.1 200"),
            Some(503)
        );
        assert_eq!(status(b"HTTP/1.1 200 OK"), Some(200));
        assert_eq!(status(b"\x15\x03\x01\x00\x02\x02\x46"), None);
        assert_eq!(status(b""), None);
    }
}

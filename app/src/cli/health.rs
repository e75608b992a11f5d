//! `stoa health`.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

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
    /// Host and port to ask [default: what the settings say is listened on]
    #[arg(long, value_name = "HOST:PORT")]
    at: Option<String>,
    /// Only whether it is alive, ready or not
    #[arg(long)]
    live: bool,
}

impl Health {
    pub(crate) fn run(self, args: &SettingsArgs) -> Result<ExitCode, Error> {
        let address = match &self.at {
            Some(at) => resolve(at)?,
            None => reachable(args.load(Vec::new())?.section::<ServerConfig>("server")?.listen),
        };
        let path = if self.live {
            "/health/live"
        } else {
            "/health/ready"
        };
        let status = ask(address, path).map_err(|e| format!("nothing at {address} answers {path}: {e}"))?;
        say(format!("{path}: {status}"));
        Ok(if status == 200 {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(1)
        })
    }
}

fn resolve(at: &str) -> Result<SocketAddr, Error> {
    let found = at
        .to_socket_addrs()
        .map_err(|e| format!("'{at}' is no host and port, such as 127.0.0.1:3000: {e}"))?;
    Ok(found.last().ok_or_else(|| format!("'{at}' has no address"))?)
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

/// One request in plain text: a client that could do more would be a part of the program for this alone.
fn ask(address: SocketAddr, path: &str) -> Result<u16, Error> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(ENOUGH).read_to_end(&mut answer)?;
    status(&answer).ok_or_else(|| "the answer is not HTTP; is it served by TLS?".into())
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

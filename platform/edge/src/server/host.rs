//! Which host a request is for: every HTTP/1.1 request names exactly one (RFC 9112, 3.2).

use std::net::Ipv6Addr;

use http::{HeaderMap, HeaderValue, Request, Version, header};
use stoa_http::{Failure, codes};

use crate::layer::Refused;

/// Longest name of a host, in bytes, with its port.
const MAX_HOST: usize = 261;

/// Has the edge refuse a request without a host, with two, or with something else in its place.
pub(super) fn check<B>(request: &mut Request<B>) {
    if let Err(detail) = checked(request.headers(), request.version()) {
        let failure = Failure::new(codes::MALFORMED).detail(detail);
        request.extensions_mut().insert(Refused(failure));
    }
}

fn checked(headers: &HeaderMap, version: Version) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => Err("The header Host is missing."),
        (None, _) => Ok(()),
        (Some(host), None) if is_host(host) => Ok(()),
        (Some(_), None) => Err("The header Host is not the name of a host."),
        (Some(_), Some(_)) => Err("The header Host is given twice."),
    }
}

fn is_host(host: &HeaderValue) -> bool {
    host.len() <= MAX_HOST && host.to_str().is_ok_and(is_authority)
}

/// An IPv6 address in brackets or a name, and perhaps a port.
fn is_authority(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest
            .split_once(']')
            .is_some_and(|(address, port)| address.parse::<Ipv6Addr>().is_ok() && is_port(port));
    }
    let end = host.find(':').unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    is_name(name) && is_port(port)
}

/// Labels with a dot between each two; the last may be followed by one.
fn is_name(name: &str) -> bool {
    let mut before = b'.';
    let of_a_name = |byte: u8| {
        let good =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || byte == b'.' && before != b'.';
        before = byte;
        good
    };
    !name.is_empty() && name.bytes().all(of_a_name)
}

/// Nothing, or a colon that a number may follow.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => {
            port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }
        None => text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(host: &str) -> bool {
        is_host(&HeaderValue::from_str(host).unwrap())
    }

    #[test]
    fn names_and_addresses_with_and_without_a_port_are_hosts() {
        for host in [
            "x",
            "example.com",
            "EXAMPLE.com:8080",
            "127.0.0.1:3000",
            "[::1]",
            "[::1]:443",
            "xn--bcher-kva.example",
            "a_b",
            "example.com.",
            "[2001:db8::7]:1",
        ] {
            assert!(is(host), "{host}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_host() {
        let long = "x".repeat(300);
        for host in [
            "",
            " ",
            "a b",
            "a,b",
            "a/b",
            "user@a",
            "a:b",
            "a:70000",
            "a:80:80",
            "[::1",
            "a?b",
            "a#b",
            "http://a",
            ":80",
            "[zz]",
            "[]",
            "[127.0.0.1]",
            "a..b",
            ".a",
            ".",
            "a..",
            "a\\b",
            &long,
        ] {
            assert!(!is(host), "{host}");
        }
    }
}

//! Which host a request is for: every HTTP/1.1 request names exactly one (RFC 9112, 3.2).

use std::net::Ipv6Addr;

use http::{HeaderMap, HeaderValue, Request, Version, header, uri::Authority};
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
    let bytes = host.as_bytes();
    let of_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    bytes.len() <= MAX_HOST
        && bytes.iter().all(of_a_name)
        && Authority::try_from(bytes).is_ok_and(|authority| is_name(authority.host()))
        && has_good_port(bytes)
}

/// Whether it is an IPv6 address in brackets, or labels with a dot between each two; the last may be followed by one.
fn is_name(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => {
            let mut labels = host.strip_suffix('.').unwrap_or(host).split('.');
            labels.all(|label| !label.is_empty() && !label.contains(['[', ']', ':']))
        }
    }
}

/// Whether what stands behind the name, if anything, is a port.
fn has_good_port(host: &[u8]) -> bool {
    let name_ends = host.iter().rposition(|byte| *byte == b']').unwrap_or(0);
    let Some(colon) = host[name_ends..].iter().position(|byte| *byte == b':') else {
        return true;
    };
    let port = &host[name_ends + colon + 1..];
    port.is_empty() || str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok())
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

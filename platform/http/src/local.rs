//! Whether a request was made on this machine, by nobody but a program or a browser that runs there.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{HeaderMap, HeaderName, Uri, Version, header, request::Parts, uri::Authority};

/// Headers by which a proxy shows that it passes on the requests of others.
const RELAYED: [HeaderName; 10] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    header::FORWARDED,
    header::VIA,
];

/// Whether a proxy passed the request on, as far as it can be seen. Proxies that add no header of their own, as nginx with a
/// plain `proxy_pass`, speak HTTP/1.0 or close each connection; what runs on this machine to look at pages does neither.
#[must_use]
pub fn is_relayed(parts: &Parts) -> bool {
    let closes = || {
        let lines = parts.headers.get_all(header::CONNECTION).into_iter();
        let words = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
        words
            .map(str::trim)
            .any(|word| word.eq_ignore_ascii_case("close"))
    };
    RELAYED.iter().any(|name| parts.headers.contains_key(name))
        || parts.version < Version::HTTP_11
        || closes()
}

/// Whether the request was made on this machine: its peer is there, it asks for a name of this machine, and no proxy passed it
/// on. Any other name may be one that a stranger's DNS points here, so that a page of theirs could read the answer.
#[must_use]
pub fn is_local(parts: &Parts) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback())
        && asks_for_loopback(&parts.uri, &parts.headers)
        && !is_relayed(parts)
}

/// Whether an address such as `http://localhost:3000` leads to this machine itself.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok();
    uri.as_ref().and_then(Uri::authority).is_some_and(is_own_name)
}

fn asks_for_loopback(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), uri.authority()) {
        (None, None, Some(authority)) => is_own_name(authority),
        (Some(host), None, authority) => {
            let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
            host.as_ref().is_some_and(is_own_name) && authority.is_none_or(is_own_name)
        }
        _ => false,
    }
}

fn is_own_name(authority: &Authority) -> bool {
    let host = authority.host();
    let address = || match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => host.parse::<Ipv6Addr>().map(IpAddr::from),
        None => host.parse::<IpAddr>(),
    };
    !authority.as_str().contains('@')
        && (host.eq_ignore_ascii_case("localhost") || address().is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(peer: &str, version: Version, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/metrics").version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        parts.extensions.insert(ConnectInfo(peer));
        parts
    }

    #[test]
    fn a_request_on_this_machine_is_local() {
        for (peer, host) in [
            ("127.0.0.1", "localhost:3000"),
            ("::1", "[::1]:3000"),
            ("::ffff:127.0.0.1", "127.0.0.2"),
        ] {
            assert!(is_local(&parts(peer, Version::HTTP_11, &[("host", host)])));
        }
    }

    #[test]
    fn a_proxy_that_nobody_declared_is_not_local() {
        let local = ("host", "127.0.0.1:3000");
        let nginx = [local, ("connection", "close")];
        assert!(!is_local(&parts("127.0.0.1", Version::HTTP_10, &nginx)));
        assert!(!is_local(&parts("127.0.0.1", Version::HTTP_10, &[local])));
        assert!(!is_local(&parts("127.0.0.1", Version::HTTP_11, &nginx)));
        for name in &RELAYED {
            let headers = [local, (name.as_str(), "127.0.0.1")];
            assert!(
                !is_local(&parts("127.0.0.1", Version::HTTP_11, &headers)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_that_a_stranger_points_here_is_not_local() {
        for headers in [
            &[("host", "evil.example:3000")][..],
            &[("host", "localhost.evil.example")],
            &[("host", "localhost@evil.example")],
            &[("host", "localhost"), ("host", "evil.example")],
            &[],
        ] {
            assert!(
                !is_local(&parts("127.0.0.1", Version::HTTP_11, headers)),
                "{headers:?}"
            );
        }
        assert!(!is_local(&parts(
            "192.0.2.1",
            Version::HTTP_11,
            &[("host", "localhost")]
        )));
    }

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for url in [
            "http://localhost:3000",
            "https://127.0.0.1",
            "http://[::1]:3000/x",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://example.com",
            "http://0.0.0.0:3000",
            "http://localhost.example",
            "",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}

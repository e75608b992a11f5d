//! Where a request comes from, also behind proxies.

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use axum::extract::ConnectInfo;
use http::{HeaderMap, HeaderName, header, request::Parts};
use stoa_http::is_relayed;

use crate::config::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Whom the edge believes about where requests come from.
#[derive(Debug)]
pub(crate) struct Proxies {
    trusted: Vec<Network>,
    /// Whether people reach this installation by https, as far as no trusted proxy says otherwise.
    https: bool,
    /// Whether it was said that somebody who is not trusted acts as a proxy.
    warned: AtomicBool,
    /// Whether it was said that a trusted proxy writes what is no address.
    unreadable: AtomicBool,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) address: IpAddr,
    /// https at the edge.
    pub(super) secure: bool,
}

impl Proxies {
    pub(super) fn new(trusted: Vec<Network>, public_url: &str) -> Self {
        Self {
            trusted,
            https: public_url.starts_with("https://"),
            warned: AtomicBool::new(false),
            unreadable: AtomicBool::new(false),
        }
    }

    /// The peer, or, if that is a trusted proxy, the right-most address of `X-Forwarded-For` that is not: what stands left of
    /// it anybody may have written.
    pub(super) fn source(&self, peer: IpAddr, headers: &HeaderMap) -> Source {
        let mut source = Source {
            address: peer.to_canonical(),
            secure: self.https,
        };
        if !trusts(&self.trusted, source.address) {
            self.warn(source.address, headers);
            return source;
        }
        if let Some(schemes) = headers.get(FORWARDED_PROTO) {
            // Of several the first is what people came by; the others are between proxies.
            let first = schemes
                .as_bytes()
                .split(|byte| *byte == b',')
                .next()
                .unwrap_or_default();
            source.secure = first.trim_ascii().eq_ignore_ascii_case(b"https");
        }
        let lines = headers.get_all(FORWARDED_FOR).into_iter().rev();
        // Byte by byte: what a caller wrote that is no text must not hide what a proxy put behind it.
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        // Members of a list may be empty (RFC 9110, 5.6.1).
        for hop in hops.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty()) {
            let Some(address) = str::from_utf8(hop).ok().and_then(parse) else {
                // Whatever is left of it is not believed either.
                self.warn_unreadable(source.address);
                break;
            };
            source.address = address;
            if !trusts(&self.trusted, address) {
                break;
            }
        }
        source
    }
}

impl Proxies {
    /// Says once that there seems to be a proxy that the settings do not name.
    fn warn(&self, peer: IpAddr, headers: &HeaderMap) {
        if self.warned.load(Ordering::Relaxed) {
            return;
        }
        let proxied = [FORWARDED_FOR, REAL_IP, header::FORWARDED];
        if proxied.iter().any(|name| headers.contains_key(name)) && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "a request names another address as its origin, but gateway.trusted_proxies does not name its peer. If \
                 that is your proxy, name it there: until then everybody behind it counts as one caller"
            );
        }
    }

    /// Says once that a trusted proxy's header cannot be used.
    fn warn_unreadable(&self, proxy: IpAddr) {
        if !self.unreadable.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %proxy,
                "X-Forwarded-For of a trusted proxy names something that is no address; such requests count as the proxy's own"
            );
        }
    }

    /// Whether what the peer says of a request is believed.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        trusts(&self.trusted, peer.to_canonical())
    }
}

/// Who is shown how this installation is doing inside, without a permission.
pub(crate) struct Inside(Vec<Network>);

impl Inside {
    pub(crate) fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    pub(crate) fn contains(&self, parts: &Parts) -> bool {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let named = peer.is_some_and(|peer| trusts(&self.0, peer.0.ip().to_canonical()));
        named && !is_relayed(parts)
    }
}

fn trusts(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// An address, with or without a port.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    let address = address.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn source(peer: &str, lines: &[&'static str]) -> String {
        let proxies = Proxies::new(
            vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            "http://x",
        );
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        proxies
            .source(peer.parse().unwrap(), &headers)
            .address
            .to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(source("203.0.113.9", &["1.2.3.4"]), "203.0.113.9");
    }

    #[test]
    fn behind_trusted_proxies_the_right_most_stranger_counts() {
        assert_eq!(source("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"]), "1.2.3.4");
        assert_eq!(source("10.0.0.1", &["6.6.6.6", "1.2.3.4,10.0.0.2"]), "1.2.3.4");
        assert_eq!(source("::ffff:10.0.0.1", &["1.2.3.4:5678"]), "1.2.3.4");
        assert_eq!(source("fd00::1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(source("10.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
    }

    #[test]
    fn empty_members_are_skipped() {
        assert_eq!(source("10.0.0.1", &["1.2.3.4,"]), "1.2.3.4");
        assert_eq!(source("10.0.0.1", &["1.2.3.4, , 10.0.0.2 ,,"]), "1.2.3.4");
        assert_eq!(source("10.0.0.1", &["1.2.3.4", ""]), "1.2.3.4");
    }

    #[test]
    fn an_unreadable_hop_ends_the_search() {
        assert_eq!(source("10.0.0.1", &["1.2.3.4, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(source("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(source("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_is_no_text_hides_nothing_behind_it() {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()], "http://x");
        let line = HeaderValue::from_bytes(b"\xe9, 1.2.3.4").unwrap();
        let headers = HeaderMap::from_iter([(FORWARDED_FOR, line)]);
        let found = proxies.source("10.0.0.1".parse().unwrap(), &headers);
        assert_eq!(found.address.to_string(), "1.2.3.4");
    }

    #[test]
    fn only_a_trusted_proxy_says_that_it_was_https() {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()], "");
        let headers = HeaderMap::from_iter([(FORWARDED_PROTO, HeaderValue::from_static("https"))]);
        assert!(proxies.source("10.0.0.1".parse().unwrap(), &headers).secure);
        assert!(!proxies.source("127.0.0.1".parse().unwrap(), &headers).secure);
        for (line, secure) in [
            ("https,http", true),
            ("HTTPS , http", true),
            ("http,https", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(FORWARDED_PROTO, HeaderValue::from_static(line))]);
            assert_eq!(
                proxies.source("10.0.0.1".parse().unwrap(), &headers).secure,
                secure,
                "{line}"
            );
        }
        let public = Proxies::new(Vec::new(), "https://example.com");
        assert!(
            public
                .source("127.0.0.1".parse().unwrap(), &HeaderMap::new())
                .secure
        );
    }
}

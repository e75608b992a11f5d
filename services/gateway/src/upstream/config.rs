//! Sections `[gateway.upstreams]` and `[gateway.upstream]`: where services of other processes are, and how they are treated.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Authority};
use serde::{Deserialize, Serialize};
use stoa_kernel::Period;

/// Section `[gateway.upstream]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// How long a connection may take to be made.
    pub connect_timeout: Period,
    /// How long a connection is kept without a request; less than the upstream itself keeps it.
    pub idle: Period,
    /// How long a WebSocket may be silent in both directions.
    pub tunnel_idle: Period,
    /// How often names are looked up again.
    pub resolve_every: Period,
    /// How often each replica is asked whether it is ready.
    pub check_every: Period,
    /// After so many failures in a row a replica is left alone.
    pub eject_after: u32,
    /// For how long, the first time; each further time twice as long, up to sixteen times.
    pub eject_for: Period,
    /// How often a request is tried again at most, where that is safe.
    pub retries: u32,
    /// Share of requests that may be tried again; ten a second may always.
    pub retry_budget: f64,
    /// So many requests within ten seconds, half of them failed, and the service is left alone.
    pub breaker_volume: u32,
    /// For how long, until one request may try.
    pub breaker_for: Period,
}

/// One place where a service answers: `http://host:port`, `https://host:port` where both sides show certificates, or
/// `h2c://host:port` for HTTP/2 with prior knowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl {
    pub(super) protocol: Protocol,
    pub(super) secure: bool,
    pub(super) authority: Authority,
}

/// What is spoken to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Where a public gRPC service answers: `"package.Service http://host:port"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcUpstream {
    pub(super) service: String,
    pub(super) url: UpstreamUrl,
}

impl UpstreamUrl {
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    pub(super) fn host(&self) -> &str {
        self.authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
    }

    pub(super) fn port(&self) -> u16 {
        self.authority
            .port_u16()
            .unwrap_or(if self.secure { 443 } else { 80 })
    }
}

impl FromStr for UpstreamUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "'{text}' is not an upstream; write such as \"http://auth.internal:3000\", without a path"
            )
        };
        if text.contains('@') {
            // Not shown: a password may stand in it.
            return Err(
                "an upstream has no user and no password; write such as \"http://auth.internal:3000\""
                    .to_owned(),
            );
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let protocol = match uri.scheme_str() {
            Some("http" | "https") => Protocol::Http1,
            Some("h2c") => Protocol::Http2,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        let port = authority.as_str().len() == authority.host().len()
            || authority.port_u16().is_some_and(|port| port > 0);
        if !bare || !port {
            return Err(wrong());
        }
        Ok(Self {
            protocol,
            secure: uri.scheme_str() == Some("https"),
            authority: authority.clone(),
        })
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http1 if self.secure => "https",
            Protocol::Http1 => "http",
            Protocol::Http2 => "h2c",
        };
        write!(f, "{scheme}://{}", self.authority)
    }
}

impl FromStr for GrpcUpstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!("'{text}' is not a gRPC upstream; write such as \"shop.v1.Orders http://10.0.0.7:3100\"")
        };
        let (service, url) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
        if service.is_empty() || !service.bytes().all(allowed) {
            return Err(wrong());
        }
        let url: UpstreamUrl = url.trim().parse()?;
        if url.secure {
            return Err(wrong());
        }
        // gRPC is HTTP/2, however the address is written.
        let url = UpstreamUrl {
            protocol: Protocol::Http2,
            ..url
        };
        Ok(Self {
            service: service.to_owned(),
            url,
        })
    }
}

impl fmt::Display for GrpcUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.url)
    }
}

stoa_kernel::as_text!(UpstreamUrl, GrpcUpstream);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_scheme_host_and_port() {
        for text in ["http://10.0.0.7:3000", "https://auth", "h2c://[::1]:3100"] {
            assert_eq!(text.parse::<UpstreamUrl>().unwrap().to_string(), text);
        }
        let url: UpstreamUrl = "http://[::1]:3100/".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 3100));
        for text in [
            "",
            "auth:3000",
            "https://a/path",
            "http://a/path",
            "http://u:p@a",
            "http://a:0",
            "http://a:99999",
        ] {
            assert!(text.parse::<UpstreamUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_grpc_upstream_names_its_service_and_speaks_http_2() {
        let grpc: GrpcUpstream = "shop.v1.Orders http://a:1".parse().unwrap();
        assert_eq!(
            (grpc.service.as_str(), grpc.url.protocol),
            ("shop.v1.Orders", Protocol::Http2)
        );
        for text in ["shop.v1.Orders", "http://a:1", "shop/v1 http://a:1", "a b c"] {
            assert!(text.parse::<GrpcUpstream>().is_err(), "{text}");
        }
    }
}

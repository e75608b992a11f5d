//! Section `[gateway]` of the settings: what holds for the listener of every process.

use std::{fmt, net::IpAddr, str::FromStr};

use http::{HeaderValue, Method, Uri};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use stoa_kernel::{Period, Rate};
use url::Url;

/// What one address may hold of the memory for all bodies: one part in so many.
pub(crate) const SHARE: u64 = 4;

/// Section `[gateway]`, but for the part that says where other services run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgeConfig {
    /// Largest body of a request that brings a file, in bytes.
    pub max_body: u64,
    /// Largest body of a request that is stored while it arrives, in bytes.
    pub max_upload: u64,
    /// How long a request may take whose body is stored while it arrives.
    pub upload_timeout: Period,
    /// Largest body of any other request, in bytes.
    pub max_json: u64,
    /// What the bodies that are arriving or being worked on may take up in all, in bytes.
    pub bodies_max: u64,
    /// Bytes a second that a body must bring once its reader has waited for `body_grace`. 0: any.
    pub body_rate: u64,
    /// How long a body may let its reader wait before `body_rate` counts.
    pub body_grace: Period,
    /// Largest head of a request, in bytes.
    pub max_header: u32,
    /// Connections at once, if so many files may be open.
    pub connections: usize,
    /// Connections at once of one address, or of one /64 of IPv6.
    pub connections_per_address: usize,
    /// How long a connection may stay before the first request's head has come to its end.
    pub head_timeout: Period,
    /// How long a request may take before it is answered 504.
    pub timeout: Period,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Networks whose callers may read the metrics without a permission.
    pub metrics_from: Vec<Network>,
    /// Whether there is one line for each request on standard output.
    pub access_log: bool,
    /// Answers shorter than this many bytes are not compressed.
    pub compress_from: u64,
    /// Who may call from a browser.
    pub cors: CorsConfig,
    /// How often one may call.
    pub rate_limit: RateLimitConfig,
}

impl EdgeConfig {
    /// Refuses what no request could be answered with.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), String> {
        for (key, least) in [
            ("connections", self.connections as u64),
            ("connections_per_address", self.connections_per_address as u64),
            ("max_body", self.max_body),
            ("max_upload", self.max_upload),
            ("max_json", self.max_json),
            ("max_header", u64::from(self.max_header)),
        ] {
            if least == 0 {
                return Err(format!(
                    "gateway.{key} is 0, which lets nobody in: write 1 or more"
                ));
            }
        }
        for (key, time) in [
            ("timeout", self.timeout),
            ("upload_timeout", self.upload_timeout),
            ("head_timeout", self.head_timeout),
        ] {
            if time.0.is_zero() {
                return Err(format!(
                    "gateway.{key} is 0, which no request keeps: write such as \"10s\""
                ));
            }
        }
        let largest = self.max_body.max(self.max_json);
        if self.bodies_max / SHARE < largest {
            return Err(format!(
                "gateway.bodies_max is {}, a quarter of which one address may have: write at least {}, four times the \
                 largest body",
                self.bodies_max,
                largest.saturating_mul(SHARE)
            ));
        }
        Ok(())
    }
}

/// Section `[gateway.cors]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "UncheckedCors")]
pub struct CorsConfig {
    /// Origins that may call from a browser, or `*`.
    pub origins: Vec<Origin>,
    /// Whether such origins may send cookies.
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight.
    pub max_age: Period,
}

/// Section `[gateway.rate_limit]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Requests of one address, by all its callers together.
    pub per_address: Rate,
    /// Requests of one signed-in user or API key, from all addresses together.
    pub per_user: Rate,
    /// Further limits on one route for one address.
    pub per_route: Vec<RouteRate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedCors {
    origins: Vec<Origin>,
    credentials: bool,
    max_age: Period,
}

impl TryFrom<UncheckedCors> for CorsConfig {
    type Error = &'static str;

    fn try_from(cors: UncheckedCors) -> Result<Self, Self::Error> {
        if cors.credentials && cors.origins.contains(&Origin::Any) {
            return Err(
                "with credentials every origin has to be named; \"*\" would let any page act for the people who visit it",
            );
        }
        Ok(Self {
            origins: cors.origins,
            credentials: cors.credentials,
            max_age: cors.max_age,
        })
    }
}

/// A network such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether the address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network
            .map(Self)
            .map_err(|_| format!("'{text}' is not a network; write such as \"10.0.0.0/8\" or \"fd00::/8\""))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a page comes from: scheme, host and port, as browsers write it; or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `*`
    Any,
    /// Such as `https://app.example.com`.
    Named(HeaderValue),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let wrong = || {
            format!("'{text}' is not an origin; write such as \"https://app.example.com\", without a path")
        };
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.contains('*') {
            return Err(format!(
                "'{text}' is not an origin: a part of a name cannot be left open; name each origin, or write \"*\" alone"
            ));
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let written = format!("{scheme}://{authority}").to_ascii_lowercase();
        if written != text.to_ascii_lowercase() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        // Pages of the web have one way to write where they come from: without the scheme's own port, for example.
        if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            let of_browsers = Url::parse(&written)
                .map_err(|_| wrong())?
                .origin()
                .ascii_serialization();
            if of_browsers != written {
                return Err(format!(
                    "'{text}' never matches: browsers write that origin as \"{of_browsers}\"; write it so"
                ));
            }
        }
        HeaderValue::try_from(written)
            .map(Self::Named)
            .map_err(|_| wrong())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Named(origin) => f.write_str(origin.to_str().unwrap_or_default()),
        }
    }
}

/// A limit on one route for one address: `"POST /api/v1/auth/password/reset 5/m"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRate {
    /// The method.
    pub method: Method,
    /// The route as the API description writes it, such as `/api/v1/users/{id}`.
    pub path: String,
    /// The rate.
    pub rate: Rate,
}

impl FromStr for RouteRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("'{text}' is not a limit on a route; write such as \"POST /api/v1/orders 20/m\"");
        let mut words = text.split_ascii_whitespace();
        let (Some(method), Some(path), Some(rate), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let known = [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ];
        let method = known
            .into_iter()
            .find(|known| known.as_str() == method)
            .ok_or_else(wrong)?;
        if !path.starts_with('/') || matchit::Router::new().insert(path, ()).is_err() {
            return Err(wrong());
        }
        let rate = rate.parse().map_err(|e| format!("'{text}': {e}"))?;
        Ok(Self {
            method,
            path: path.to_owned(),
            rate,
        })
    }
}

impl fmt::Display for RouteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.path, self.rate)
    }
}

stoa_kernel::as_text!(Network, Origin, RouteRate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_scheme_host_and_port_only() {
        for (text, written) in [
            ("*", "*"),
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.com/", "https://app.example.com"),
            ("http://localhost:5173", "http://localhost:5173"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), written);
        }
        for text in [
            "",
            "app.example.com",
            "https://a.com/path",
            "https://u:p@a.com",
            "https://a.com?x=1",
            "null",
            "https://*.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://app.example.com:",
            "https://app.example.com:0444",
            "https://127.1",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_ranges_or_one_address() {
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(
            network.contains("10.9.8.7".parse().unwrap()) && !network.contains("11.0.0.1".parse().unwrap())
        );
        assert!("::1".parse::<Network>().unwrap().contains("::1".parse().unwrap()));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
    }

    #[test]
    fn a_limit_on_a_route_names_method_route_and_rate() {
        let text = "PUT /api/v1/users/{id}/avatar 20/m";
        assert_eq!(text.parse::<RouteRate>().unwrap().to_string(), text);
        for text in [
            "",
            "/a 5/m",
            "FETCH /a 5/m",
            "GET a 5/m",
            "GET /a 5",
            "GET /a 5/m more",
            "GET /{a 5/m",
        ] {
            assert!(text.parse::<RouteRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_for_every_origin_are_refused() {
        let text = "origins = [\"*\"]\ncredentials = true\nmax_age = \"1h\"";
        let error = toml::from_str::<CorsConfig>(text).unwrap_err().to_string();
        assert!(error.contains("every origin has to be named"), "{error}");
    }

    #[test]
    fn the_default_settings_are_read() {
        #[derive(Deserialize)]
        struct File {
            gateway: EdgeConfig,
        }
        let file: File = toml::from_str(include_str!("../../../stoa.default.toml")).unwrap();
        assert_eq!(file.gateway.max_body, 2 * 1024 * 1024);
        assert_eq!(file.gateway.rate_limit.per_route.len(), 3);
        assert!(
            toml::from_str::<CorsConfig>("origins = []\ncredentials = false\nmax_age = \"1h\"\nother = 1")
                .is_err()
        );
    }
}

//! Where the server is, from `cache.url`.

use std::fmt;

use redis::{ConnectionInfo, IntoConnectionInfo};
use url::Url;

use crate::CacheError;

/// One server, or some nodes of a cluster.
pub(super) enum Address {
    Single(Node),
    Cluster(Vec<Node>),
}

/// One server that can be connected to.
pub(super) struct Node {
    pub(super) info: ConnectionInfo,
    shown: String,
    password: Option<String>,
}

impl Address {
    /// Reads `redis://[user:password@]host:port[/db]`, `redis+cluster://[user:password@]host:port,host:port`, and the same
    /// with `rediss`.
    pub(super) fn parse(text: &str) -> Result<Self, CacheError> {
        let wrong = || {
            CacheError::Url(
                "it must be empty, or look like redis://user:password@host:6379/0 or \
                 redis+cluster://user:password@host:6379,host:6379 (rediss for TLS)"
                    .to_owned(),
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (plain, cluster) = match scheme {
            "redis" | "rediss" => (scheme, false),
            "redis+cluster" => ("redis", true),
            "rediss+cluster" => ("rediss", true),
            _ => return Err(wrong()),
        };
        if plain == "rediss" {
            // Whoever was first has chosen the same.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        if !cluster {
            return Ok(Self::Single(Node::parse(text).ok_or_else(wrong)?));
        }
        let (user, hosts) = match rest.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), rest),
        };
        let hosts = hosts.trim_end_matches('/').split(',');
        let nodes: Option<Vec<_>> = hosts
            .map(|host| Node::parse(&format!("{plain}://{user}{host}")))
            .collect();
        Ok(Self::Cluster(nodes.ok_or_else(wrong)?))
    }

    pub(super) fn nodes(&self) -> &[Node] {
        match self {
            Self::Single(node) => std::slice::from_ref(node),
            Self::Cluster(nodes) => nodes,
        }
    }

    /// What somebody else wrote, with the password blacked out should it be in there.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let passwords = self.nodes().iter().filter_map(|node| node.password.as_deref());
        passwords.fold(text.to_owned(), |text, password| text.replace(password, "***"))
    }
}

impl Node {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?;
        if url.query().is_some() || url.fragment().is_some() {
            return None;
        }
        let shown = format!("{}://{host}:{}", url.scheme(), url.port().unwrap_or(6379));
        let info = url.into_connection_info().ok()?;
        let password = info
            .redis_settings()
            .password()
            .filter(|password| !password.is_empty());
        Some(Self {
            shown,
            password: password.map(str::to_owned),
            info,
        })
    }
}

/// Without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, node) in self.nodes().iter().enumerate() {
            write!(f, "{}{}", if place == 0 { "" } else { "," }, node.shown)?;
        }
        Ok(())
    }
}

//! A Redis, single or cluster, that several processes share.
//!
//! One connection carries everything. As soon as anything fails on it, it is given up: from then on whoever asks is told
//! so at once, and a task of its own looks every second whether a new connection can be had.

mod address;
mod hints;
mod limits;
mod link;
mod locks;
mod scripts;
mod values;

use std::{
    fmt,
    future::Future,
    sync::{Arc, Weak, atomic::AtomicBool},
    time::Duration,
};

use metrics::Gauge;
use parking_lot::RwLock;
use redis::{Cmd, FromRedisValue};

use self::{address::Address, link::Link};
pub(crate) use self::{limits::SharedLimit, locks::HeldThere};
use crate::{CacheConfig, CacheError};

/// How long an answer is waited for, where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two looks for a server that is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Refuses an address at which no server can be, without trying it.
pub(crate) fn check(url: &str) -> Result<(), CacheError> {
    Address::parse(url).map(drop)
}

/// A server, or several as one.
pub(crate) struct Redis {
    address: Address,
    prefix: String,
    /// None while the server is away.
    link: RwLock<Option<Link>>,
    limit_timeout: Duration,
    listening: AtomicBool,
    /// Tells this process's own hints from those of others.
    me: [u8; 16],
    fallback: Gauge,
}

impl Redis {
    pub(crate) async fn open(config: &CacheConfig) -> Result<Arc<Self>, CacheError> {
        let address = Address::parse(&config.url)?;
        let prefix = config.prefix.as_str();
        if prefix.is_empty() || prefix.contains(['{', '}', '*', '?', '[', '\\']) {
            let words = "cache.prefix must be a word of its own, such as \"stoa\", without any of {}*?[\\";
            return Err(CacheError::Url(words.to_owned()));
        }
        let link = Link::open(&address, prefix).await.map_err(|why| {
            CacheError::Url(format!(
                "{address} does not answer: {}; start it, correct the setting, or leave it empty for a cache in \
                 this process",
                address.without_secrets(&why)
            ))
        })?;
        let fallback = metrics::gauge!("stoa_cache_fallback");
        fallback.set(0.0);
        Ok(Arc::new(Self {
            address,
            prefix: prefix.to_owned(),
            link: RwLock::new(Some(link)),
            limit_timeout: config.limit_timeout.0,
            listening: AtomicBool::new(false),
            me: stoa_kernel::random::bytes(),
            fallback,
        }))
    }

    pub(crate) fn engine(&self) -> &'static str {
        match self.address {
            Address::Single(_) => "redis",
            Address::Cluster(_) => "redis cluster",
        }
    }

    /// Whether the server answered when it was last asked.
    pub(crate) fn is_there(&self) -> bool {
        self.link.read().is_some()
    }

    pub(crate) async fn ping(self: &Arc<Self>) -> Result<(), CacheError> {
        let probe = link::probe(&self.prefix);
        self.ask::<()>("ping", PATIENCE, &probe).await
    }

    /// What INFO says, of a cluster the first node that does.
    pub(crate) async fn version(self: &Arc<Self>) -> Result<Option<String>, CacheError> {
        let mut info = redis::cmd("INFO");
        info.arg("server");
        let said: redis::Value = self.ask("info", PATIENCE, &info).await?;
        Ok(version_in(&said))
    }

    /// The server's name of something of this installation.
    fn key(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.prefix)
    }

    /// Sends one command, unless the server is known to be away.
    async fn ask<T: FromRedisValue>(
        self: &Arc<Self>,
        operation: &'static str,
        patience: Duration,
        command: &Cmd,
    ) -> Result<T, CacheError> {
        let sent = |mut link: Link| async move { link.send(command).await };
        self.guarded(operation, patience, sent).await
    }

    /// Does something with the connection, and gives the connection up if that fails or takes too long.
    async fn guarded<T, E, F>(
        self: &Arc<Self>,
        operation: &'static str,
        patience: Duration,
        work: impl FnOnce(Link) -> F,
    ) -> Result<T, CacheError>
    where
        E: fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let link = self.link.read().clone();
        let Some(link) = link else {
            count(operation);
            return Err(CacheError::Away(format!("{} went away", self.address)));
        };
        let number = link.number();
        let why = match tokio::time::timeout(patience, work(link)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => self.address.without_secrets(&error.to_string()),
            Err(_) => format!("no answer within {patience:?}"),
        };
        count(operation);
        self.give_up(number, &why);
        Err(CacheError::Away(format!("{}: {why}", self.address)))
    }

    /// Gives a connection up, if it is still in use, and begins to look for a new one.
    fn give_up(self: &Arc<Self>, number: u64, why: &str) {
        let mut link = self.link.write();
        if link.as_ref().is_none_or(|link| link.number() != number) {
            return;
        }
        *link = None;
        drop(link);
        self.fallback.set(1.0);
        tracing::warn!(
            server = %self.address, why,
            "the cache does not answer: limits hold for this process alone until it does"
        );
        tokio::spawn(come_back(Arc::downgrade(self)));
    }

    /// A new connection, or whether to go on looking.
    async fn look(&self) -> bool {
        let Ok(link) = Link::open(&self.address, &self.prefix).await else {
            return false;
        };
        *self.link.write() = Some(link);
        self.fallback.set(0.0);
        tracing::info!(server = %self.address, "the cache answers again");
        true
    }
}

/// Looks for the server until it is there, or nobody needs it any more.
async fn come_back(redis: Weak<Redis>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(redis) = redis.upgrade() else { return };
        if redis.look().await {
            return;
        }
    }
}

fn count(operation: &'static str) {
    metrics::counter!("stoa_cache_errors_total", "operation" => operation).increment(1);
}

/// Whole milliseconds, at least one: Redis refuses none.
fn millis(period: Duration) -> u64 {
    u64::try_from(period.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, i64::MAX as u64 / 1_000_000)
}

/// The version in an answer to INFO; that of a cluster is a map of them by node.
fn version_in(said: &redis::Value) -> Option<String> {
    if let redis::Value::Map(nodes) = said {
        return nodes.iter().find_map(|(_, said)| version_in(said));
    }
    let text: String = redis::from_redis_value_ref(said).ok()?;
    let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
    version.map(|version| version.trim().to_owned())
}

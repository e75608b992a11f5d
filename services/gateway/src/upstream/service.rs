//! One service of another process: its replicas, and which of them a request goes to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwap;
use metrics::Counter;
use stoa_edge::Tunnels;
use stoa_kernel::random;
use stoa_telemetry::max_open_files;
use stoa_tls::Mutual;

use super::{
    breaker::Breaker,
    budget::Budget,
    config::{UpstreamConfig, UpstreamUrl},
    connector::Connector,
    measured::Outcome,
    replica::{Replica, Told},
};

/// Smaller differences are chance: to go by them would send all requests to one replica.
const CLEARLY: f64 = 0.75;

pub(crate) struct Service {
    pub(super) name: String,
    pub(super) urls: Vec<UpstreamUrl>,
    pub(super) config: UpstreamConfig,
    pub(super) replicas: ArcSwap<Vec<Arc<Replica>>>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) budget: Budget,
    pub(super) retries: Counter,
    /// Requests under way at most: each may take a connection of its own.
    most: usize,
    peers: Option<Arc<Mutual>>,
    pub(super) tunnels: Tunnels,
}

impl Service {
    pub(super) fn new(
        name: &str,
        urls: Vec<UpstreamUrl>,
        config: UpstreamConfig,
        peers: Option<Arc<Mutual>>,
        tunnels: Tunnels,
    ) -> Self {
        let service = || [("service", name.to_owned())];
        let open = metrics::gauge!("stoa_upstream_breaker_open", &service());
        open.set(0.0);
        // Addresses need no looking up: the first request finds them there.
        let known = urls.iter().filter_map(|url| {
            let address: IpAddr = url.host().parse().ok()?;
            let connector = Connector::new(url, SocketAddr::new(address, url.port()), peers.as_ref());
            Some(Arc::new(Replica::new(name, url, connector)))
        });
        Self {
            replicas: ArcSwap::from_pointee(known.collect()),
            breaker: Arc::new(Breaker::new(config.breaker_volume, config.breaker_for.0, open)),
            budget: Budget::new(config.retry_budget),
            retries: metrics::counter!("stoa_upstream_retries_total", &service()),
            most: most(max_open_files()),
            name: name.to_owned(),
            urls,
            config,
            peers,
            tunnels,
        }
    }

    /// Whether as many requests are under way as there may be connections.
    pub(super) fn is_full(&self) -> bool {
        let replicas = self.replicas.load();
        replicas.iter().map(|replica| replica.in_flight()).sum::<usize>() >= self.most
    }

    /// A replica at `address`, which `url` has led to.
    pub(super) fn replica(&self, url: &UpstreamUrl, address: SocketAddr) -> Replica {
        Replica::new(&self.name, url, Connector::new(url, address, self.peers.as_ref()))
    }

    /// The replica for a request: of two that are picked at random the one that promises the earlier answer. Those in
    /// `tried` only if there is no other. While none is fit, any: it may be that only the checks fail.
    pub(super) fn choose(&self, tried: &[Arc<Replica>]) -> Option<Arc<Replica>> {
        let replicas = self.replicas.load();
        if let [only] = replicas.as_slice() {
            return Some(Arc::clone(only));
        }
        let fresh = |replica: &Arc<Replica>| !tried.iter().any(|tried| Arc::ptr_eq(tried, replica));
        best(&replicas, |replica| replica.is_fit() && fresh(replica))
            .or_else(|| {
                best(&replicas, |replica| {
                    replica.told() != Told::Draining && fresh(replica)
                })
            })
            .or_else(|| best(&replicas, fresh))
            .or_else(|| best(&replicas, |replica| replica.is_fit()))
            .or_else(|| best(&replicas, |_| true))
    }

    /// A replica failed. It is left alone if it did so repeatedly, unless half of them already are.
    pub(super) fn failed(&self, replica: &Replica, outcome: Outcome) {
        if !replica.failed(outcome, &self.config) {
            return;
        }
        let replicas = self.replicas.load();
        let ejected = replicas.iter().filter(|replica| replica.is_ejected()).count();
        if (ejected + 1) * 2 <= replicas.len() {
            replica.eject(&self.config);
            replica.measured.healthy(false);
        }
    }
}

/// A quarter of the files that this process may have open: callers take more, and other services some too.
fn most(files: Option<u64>) -> usize {
    files.map_or(usize::MAX, |files| {
        usize::try_from(files / 4).unwrap_or(usize::MAX)
    })
}

/// The better of two at random among those that will do.
fn best(replicas: &[Arc<Replica>], will_do: impl Fn(&Arc<Replica>) -> bool) -> Option<Arc<Replica>> {
    let count = replicas.iter().filter(|replica| will_do(replica)).count();
    let nth = |n: usize| replicas.iter().filter(|replica| will_do(replica)).nth(n);
    let first = below(count);
    let one = nth(first)?;
    if count == 1 {
        return Some(Arc::clone(one));
    }
    let another = (first + 1 + below(count - 1)) % count;
    // It may have ceased to do meanwhile.
    let Some(other) = nth(another) else {
        return Some(Arc::clone(one));
    };
    let better = other.cost() < one.cost() * CLEARLY;
    Some(Arc::clone(if better { other } else { one }))
}

/// A random number below `end`; 0 for an empty range.
fn below(end: usize) -> usize {
    let end = u32::try_from(end).unwrap_or(u32::MAX);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of replicas"
    )]
    let number = (random::fraction() * f64::from(end)) as usize;
    number.min(end.saturating_sub(1) as usize)
}

//! Services of other processes: where they are, how they are doing, and requests on their way to them.

mod attempt;
mod breaker;
mod budget;
mod config;
mod connector;
mod forward;
mod frames;
pub(crate) mod headers;
mod health;
mod latency;
mod maintain;
mod measured;
mod outlived;
mod relay;
mod replica;
mod service;
mod tunnel;
mod wire;

use std::{collections::BTreeMap, sync::Arc};

pub use self::config::{GrpcUpstream, UpstreamConfig, UpstreamUrl};
use self::{config::UpstreamConfig as Settings, tunnel::Tunnels};
pub(crate) use self::{
    forward::{KEPT, too_late},
    service::Service,
};
use stoa_tls::Mutual;

use crate::GatewayConfig;

/// The services that run in other processes, as the settings tell. Cheap to clone.
#[derive(Clone)]
pub struct Upstreams {
    services: Arc<BTreeMap<String, Arc<Service>>>,
    grpc: Arc<BTreeMap<String, Arc<Service>>>,
    tunnels: Tunnels,
}

impl Upstreams {
    /// Reads `gateway.upstreams` and `gateway.grpc_upstreams`, and begins to look after what stands there: for as long as a
    /// clone of the result is kept. Services without an address are left out.
    ///
    /// `peers` has the certificates for addresses that begin with `https://`.
    ///
    /// # Errors
    /// When there is such an address and there are no certificates, in words that name the setting.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(config: &GatewayConfig, peers: Option<&Arc<Mutual>>) -> Result<Self, String> {
        config.check(peers.is_some())?;
        let tunnels = Tunnels::default();
        let start = |(name, urls): (String, Vec<UpstreamUrl>)| {
            let service = Service::new(
                &name,
                urls,
                Settings::clone(&config.upstream),
                peers.cloned(),
                tunnels.clone(),
            );
            let service = Arc::new(service);
            tokio::spawn(maintain::maintain(Arc::downgrade(&service)));
            (name, service)
        };
        let named = config
            .upstreams
            .clone()
            .into_iter()
            .filter(|(_, urls)| !urls.is_empty());
        let mut grpc: BTreeMap<String, Vec<UpstreamUrl>> = BTreeMap::new();
        for one in &config.grpc_upstreams {
            grpc.entry(one.service.clone()).or_default().push(one.url.clone());
        }
        Ok(Self {
            services: Arc::new(named.map(start).collect()),
            grpc: Arc::new(grpc.into_iter().map(start).collect()),
            tunnels,
        })
    }

    pub(crate) fn service(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.get(name)
    }

    /// Public gRPC services by their full names.
    pub(crate) fn grpc(&self) -> &BTreeMap<String, Arc<Service>> {
        &self.grpc
    }

    pub(crate) fn tunnels(&self) -> &Tunnels {
        &self.tunnels
    }
}

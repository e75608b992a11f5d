//! Services of other processes: where they are, how they are doing, and requests on their way to them.

mod attempt;
mod breaker;
mod budget;
mod config;
mod connector;
mod forward;
mod frames;
mod headers;
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

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use axum::{extract::Request, response::Response};
use futures::future::{BoxFuture, ready};
use http::{HeaderValue, header};
use stoa_edge::{Forward, ForwardedRoutes, Tunnels};
use stoa_http::{Failure, RequestInfo, Result};
use stoa_tls::Mutual;

use self::config::UpstreamConfig as Settings;
pub use self::config::{GrpcUpstream, UpstreamConfig, UpstreamUrl};
use self::service::Service;
use crate::{GatewayConfig, codes::UPSTREAM_UNAVAILABLE};

/// The routes of a service that does not run in this process.
#[derive(Clone, Debug)]
pub struct RemoteRoutes {
    /// Its name, as in `gateway.upstreams`.
    pub service: &'static str,
    /// Its paths as the API description writes them, or for those that it does not list as axum does.
    pub paths: Vec<String>,
}

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

    /// Where the requests for these services go, and those for public gRPC services.
    #[must_use]
    pub fn routes(&self, remote: Vec<RemoteRoutes>) -> Vec<ForwardedRoutes> {
        let named = remote.into_iter().map(|RemoteRoutes { service: name, paths }| {
            let service = self.services.get(name);
            if service.is_none() {
                tracing::warn!(
                    service = name,
                    "gateway.upstreams names no address of this service; its routes answer 503"
                );
            }
            ForwardedRoutes {
                paths,
                grpc: false,
                to: Arc::new(Destination(service.cloned())),
            }
        });
        let grpc = self.grpc.iter().map(|(name, service)| ForwardedRoutes {
            paths: vec![format!("/{name}/{{method}}")],
            grpc: true,
            to: Arc::new(Destination(Some(Arc::clone(service)))),
        });
        named.chain(grpc).collect()
    }

    /// The WebSockets to other processes, for the edge.
    #[must_use]
    pub fn tunnels(&self) -> Tunnels {
        self.tunnels.clone()
    }
}

/// Where requests go; none where the settings do not say where the service runs.
struct Destination(Option<Arc<Service>>);

impl Forward for Destination {
    fn forward<'a>(
        &'a self,
        request: Request,
        info: &'a RequestInfo,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Response>> {
        let Some(service) = &self.0 else {
            let failure = Failure::new(UPSTREAM_UNAVAILABLE)
                .header(header::RETRY_AFTER, HeaderValue::from_static("60"))
                .cause("gateway.upstreams does not say where this service runs");
            return Box::pin(ready(Err(failure)));
        };
        Box::pin(service.pass_on(request, info, deadline))
    }

    fn too_late(&self) -> Failure {
        forward::too_late()
    }

    fn kept(&self) -> u64 {
        forward::KEPT
    }
}

//! From mounted services to one edge: their routes, their descriptions, and what the gateway adds.

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state};
use stoa_config::Settings;
use stoa_edge::{Draining, Edge, EdgeConfig, EdgeParts, PagesParts};
use stoa_gateway::{GatewayConfig, RemoteRoutes, Upstreams};
use stoa_http::{OwnWrites, read_own_writes};
use stoa_mount::Mounted;
use stoa_telemetry::{Telemetry, TelemetryConfig};
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi};

use crate::{
    health,
    lifecycle::Outside,
    mount::{Error, Platform},
    services::{KnownService, Services},
};

/// The edge around everything that this process serves, and around what it passes on.
pub(crate) fn edge(
    settings: &Settings,
    services: &Services,
    platform: &Platform,
    mounted: &mut [Mounted],
    telemetry: &Telemetry,
    outside: &Outside,
) -> Result<Edge, Error> {
    let metrics = telemetry.metrics();
    let is_gateway = services.has(KnownService::GATEWAY);
    let upstreams = is_gateway
        .then(|| settings.section::<GatewayConfig>("gateway"))
        .transpose()?
        .map(|config| Upstreams::new(&config, outside.peers.as_ref()))
        .transpose()?;
    let mut checks = health::checks(platform, mounted);
    if !services.has(KnownService::AUTH) {
        checks.extend(health::trust(&outside.trust));
    }
    checks.extend(health::audit(&outside.suspensions));
    checks.extend(upstreams.iter().flat_map(Upstreams::checks));
    let parts = PagesParts {
        checks,
        metrics: Arc::new(move || metrics.render()),
        draining: outside.draining.clone(),
        ..pages(settings, platform)?
    };
    let others: Vec<_> = services.others().filter(|_| is_gateway).collect();
    let (mut router, openapi) = routes(parts, mounted, &others);
    let pages = KnownService::all().flat_map(|service| service.pages);
    let mut unlisted: Vec<_> = pages.map(|path| (*path).to_owned()).collect();
    for (_, pages) in &outside.kept {
        router = router.merge(pages.router.clone());
        unlisted.extend(pages.paths.clone());
    }
    if mounted.iter().any(|one| one.db.has_replica()) {
        let writes = OwnWrites::new(platform.cache.clone(), platform.clock.clone());
        router = router.layer(from_fn_with_state(writes, read_own_writes));
    }
    let trace_ratio = settings.section::<TelemetryConfig>("telemetry")?.trace_ratio;
    let remote = others.into_iter().map(elsewhere).collect();
    let forwarded = upstreams.as_ref().map(|upstreams| upstreams.routes(remote));
    Ok(Edge::new(EdgeParts {
        config: settings.section("gateway")?,
        router,
        openapi,
        unlisted,
        protocols: KnownService::all()
            .flat_map(|service| service.protocols)
            .copied()
            .collect(),
        verifier: platform.verifier.clone(),
        keys: Some(Arc::clone(&platform.keys)),
        cache: platform.cache.clone(),
        clock: platform.clock.clone(),
        access_log: Some(outside.access_log.clone()),
        traces: telemetry.traces().then_some(trace_ratio),
        public_url: platform.public_url.clone(),
        forwarded: forwarded.unwrap_or_default(),
        tunnels: upstreams.map(|upstreams| upstreams.tunnels()).unwrap_or_default(),
        behind_gateway: !is_gateway,
        draining: outside.draining.clone(),
    }))
}

/// The routes of a service of another process.
fn elsewhere(service: KnownService) -> RemoteRoutes {
    let protocols = service.protocols.iter().flat_map(|protocol| protocol.paths);
    let pages = service
        .pages
        .iter()
        .chain(protocols)
        .map(|path| (*path).to_owned());
    RemoteRoutes {
        service: service.name(),
        paths: (service.openapi)().paths.paths.into_keys().chain(pages).collect(),
    }
}

/// What the gateway's own pages are made of, without anything that runs.
pub(crate) fn pages(settings: &Settings, platform: &Platform) -> Result<PagesParts, Error> {
    let edge: EdgeConfig = settings.section("gateway")?;
    Ok(PagesParts {
        version: env!("CARGO_PKG_VERSION"),
        public_url: platform.public_url.clone(),
        mailbox: platform.has_mailbox(),
        checks: Vec::new(),
        codes: KnownService::all()
            .flat_map(|service| service.codes)
            .copied()
            .collect(),
        metrics: Arc::new(String::new),
        metrics_from: edge.metrics_from,
        draining: Draining::default(),
    })
}

/// All endpoints, taken from the services and merged, and the description of them and of those of the `others`.
pub(crate) fn routes(
    parts: PagesParts,
    mounted: &mut [Mounted],
    others: &[KnownService],
) -> (Router, OpenApi) {
    let others = others.iter().map(|service| service.descriptor());
    let (router, mut openapi) = stoa_mount::routes(stoa_edge::pages(parts), mounted, others);
    openapi.info = InfoBuilder::new()
        .title("Stoa")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .license(Some(
            LicenseBuilder::new()
                .name("MIT OR Apache-2.0")
                .identifier(Some("MIT OR Apache-2.0"))
                .build(),
        ))
        .build();
    (router, openapi)
}

//! From mounted services to one edge: their routes, their descriptions, and what the gateway adds.

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state};
use stoa_auth_api::KeyClient;
use stoa_config::Settings;
use stoa_gateway::{Draining, Edge, EdgeParts, GatewayConfig, HealthCheck, PagesParts};
use stoa_http::{OwnWrites, read_own_writes};
use stoa_telemetry::{AccessLog, Telemetry, TelemetryConfig};
use utoipa::{
    Modify,
    openapi::{InfoBuilder, LicenseBuilder, OpenApi},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    health,
    mount::{Error, Mounted, Platform},
};

/// The edge around everything that this process serves.
pub(crate) fn edge(
    settings: &Settings,
    platform: &Platform,
    mounted: &mut [Mounted],
    telemetry: &Telemetry,
    access_log: &AccessLog,
) -> Result<Edge, Error> {
    let metrics = telemetry.metrics();
    let (mut router, openapi) = routes(settings, platform, mounted, Arc::new(move || metrics.render()))?;
    let mut unlisted = ["/auth/verify", "/auth/reset"].map(str::to_owned).to_vec();
    if let Some(mailbox) = platform.mailer.dev_router() {
        router = router.merge(mailbox);
        unlisted.extend(["/dev/mail", "/dev/mail/{id}"].map(str::to_owned));
    }
    if mounted.iter().any(|one| one.db.has_replica()) {
        let writes = OwnWrites::new(platform.cache.clone(), platform.clock.clone());
        router = router.layer(from_fn_with_state(writes, read_own_writes));
    }
    let trace_ratio = settings.section::<TelemetryConfig>("telemetry")?.trace_ratio;
    Ok(Edge::new(EdgeParts {
        config: settings.section("gateway")?,
        router,
        openapi,
        unlisted,
        verifier: platform.verifier.clone(),
        keys: Some(Arc::new(KeyClient::new(&platform.rpc, &platform.cache))),
        cache: platform.cache.clone(),
        clock: platform.clock.clone(),
        access_log: Some(access_log.clone()),
        traces: telemetry.traces().then_some(trace_ratio),
        public_url: platform.public_url.clone(),
        upstreams: None,
        remote: Vec::new(),
        behind_gateway: false,
        draining: Draining::default(),
    }))
}

/// All endpoints, taken from the services and merged, and the description of them.
pub(crate) fn routes(
    settings: &Settings,
    platform: &Platform,
    mounted: &mut [Mounted],
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
) -> Result<(Router, OpenApi), Error> {
    let gateway: GatewayConfig = settings.section("gateway")?;
    let checks: Vec<HealthCheck> = health::checks(platform, mounted);
    let mut all = stoa_gateway::pages(PagesParts {
        version: env!("CARGO_PKG_VERSION"),
        public_url: platform.public_url.clone(),
        mailbox: platform.mailer.is_folder(),
        checks,
        codes: mounted
            .iter()
            .flat_map(|one| one.service.codes)
            .copied()
            .collect(),
        metrics,
        trusted: gateway.trusted_proxies,
        draining: Draining::default(),
    });
    for one in mounted {
        all = all.merge(std::mem::take(&mut one.service.router));
    }
    let (router, mut openapi) = OpenApiRouter::split_for_parts(all);
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
    stoa_http::openapi::Shared.modify(&mut openapi);
    Ok((router, openapi))
}

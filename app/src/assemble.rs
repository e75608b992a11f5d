//! From mounted services to one edge: their routes, their descriptions, and what the gateway adds.

use std::sync::Arc;

use axum::Router;
use stoa_auth_api::KeyClient;
use stoa_config::Settings;
use stoa_gateway::{Draining, Edge, EdgeParts, GatewayConfig, PagesParts, RemoteRoutes, Upstreams};
use stoa_telemetry::{Telemetry, TelemetryConfig};
use utoipa::{
    Modify,
    openapi::{InfoBuilder, LicenseBuilder, OpenApi, PathItem},
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    health,
    lifecycle::Outside,
    mount::{Error, Mounted, Platform, nowhere},
    roles::{Role, Roles},
};

/// The description of all services, for a process that does not run all of them. A test holds it to what they say.
const WHOLE: &str = include_str!("../../docs/openapi.json");

/// The edge around everything that this process serves, and around what it passes on.
pub(crate) fn edge(
    settings: &Settings,
    roles: &Roles,
    platform: &Platform,
    mounted: &mut [Mounted],
    telemetry: &Telemetry,
    outside: &Outside,
) -> Result<Edge, Error> {
    let config: GatewayConfig = settings.section("gateway")?;
    let metrics = telemetry.metrics();
    let is_gateway = roles.has(Role::Gateway);
    let upstreams = is_gateway.then(|| Upstreams::new(&config));
    let mut checks = health::checks(platform, mounted);
    if !roles.has(Role::Auth) {
        checks.push(health::trust(&outside.trust));
    }
    checks.extend(upstreams.iter().flat_map(Upstreams::checks));
    let parts = PagesParts {
        checks,
        metrics: Arc::new(move || metrics.render()),
        draining: outside.draining.clone(),
        ..pages(settings, platform)?
    };
    let (mut router, mut openapi) = routes(parts, mounted);
    let mut remote = Vec::new();
    if is_gateway {
        for role in roles.others() {
            if !upstreams.as_ref().is_some_and(|all| all.has(role.name())) {
                return Err(nowhere(role, "gateway.upstreams", "http://10.0.0.7:3000"));
            }
            remote.push(elsewhere(role)?);
        }
    }
    if !remote.is_empty() {
        openapi = serde_json::from_str(WHOLE)?;
    }
    let all = Role::ALL.into_iter();
    let mut unlisted: Vec<_> = all.flat_map(Role::pages).map(|path| (*path).to_owned()).collect();
    if let Some(mailbox) = platform.mailer.dev_router().filter(|_| is_gateway) {
        router = router.merge(mailbox);
        unlisted.extend(["/dev/mail", "/dev/mail/{id}"].map(str::to_owned));
    }
    let trace_ratio = settings.section::<TelemetryConfig>("telemetry")?.trace_ratio;
    Ok(Edge::new(EdgeParts {
        config,
        router,
        openapi,
        unlisted,
        verifier: platform.verifier.clone(),
        keys: Some(Arc::new(KeyClient::new(&platform.rpc, &platform.cache))),
        cache: platform.cache.clone(),
        clock: platform.clock.clone(),
        access_log: Some(outside.access_log.clone()),
        traces: telemetry.traces().then_some(trace_ratio),
        public_url: platform.public_url.clone(),
        upstreams,
        remote,
        behind_gateway: !is_gateway,
        draining: outside.draining.clone(),
    }))
}

/// The routes of a service of another process: those that the description gives its name, and its pages.
fn elsewhere(role: Role) -> Result<RemoteRoutes, Error> {
    let whole: OpenApi = serde_json::from_str(WHOLE)?;
    let is_its = |path: &PathItem| {
        let value = serde_json::to_value(path).unwrap_or_default();
        let operations = value.as_object().into_iter().flat_map(|methods| methods.values());
        operations.into_iter().any(|one| one["tags"][0] == role.name())
    };
    let paths = whole.paths.paths.iter().filter(|(_, path)| is_its(path));
    let mut paths: Vec<_> = paths.map(|(name, _)| name.clone()).collect();
    paths.extend(role.pages().iter().map(|path| (*path).to_owned()));
    Ok(RemoteRoutes {
        service: role.name(),
        paths,
    })
}

/// What the gateway's own pages are made of, without anything that runs.
pub(crate) fn pages(settings: &Settings, platform: &Platform) -> Result<PagesParts, Error> {
    let gateway: GatewayConfig = settings.section("gateway")?;
    Ok(PagesParts {
        version: env!("CARGO_PKG_VERSION"),
        public_url: platform.public_url.clone(),
        mailbox: platform.mailer.is_folder(),
        checks: Vec::new(),
        codes: Role::ALL.into_iter().flat_map(Role::codes).copied().collect(),
        metrics: Arc::new(String::new),
        trusted: gateway.trusted_proxies,
        draining: Draining::default(),
    })
}

/// All endpoints, taken from the services and merged, and the description of them.
pub(crate) fn routes(parts: PagesParts, mounted: &mut [Mounted]) -> (Router, OpenApi) {
    let mut all = stoa_gateway::pages(parts);
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
    (router, openapi)
}

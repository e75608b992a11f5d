//! The sections of the services, and what must hold between them.

use axum::http::Method;
use stoa_auth::{AuthConfig, SameSite};
use stoa_config::Settings;
use stoa_edge::{EdgeConfig, RouteRate};
use stoa_gateway::GatewayConfig;
use stoa_rpc::RpcConfig;
use utoipa::openapi::PathItem;

use super::Problems;
use crate::{
    mount,
    services::{KnownService, Services},
    settings::{AuditConfig, EventsConfig, ServerConfig},
    tls,
};

pub(super) fn check(settings: &Settings, services: &Services, problems: &mut Problems) {
    problems.take(settings.section::<EventsConfig>("events"));
    if let Some(edge) = problems.take(settings.section::<EdgeConfig>("gateway")) {
        problems.take(edge.check());
        limited_routes(&edge, problems);
    }
    if let Some(gateway) = problems.take(settings.section::<GatewayConfig>("gateway")) {
        let rpc = settings.section::<RpcConfig>("rpc").ok();
        let peers = rpc.and_then(|config| config.tls_files().ok().flatten());
        problems.take(gateway.check(peers.is_some()));
        problems.take(mount::neighbours(settings, services));
    }
    for service in KnownService::with_database() {
        problems.take((service.check)(settings));
    }
    if let Ok(auth) = settings.section::<AuthConfig>("auth") {
        problems.take(cookies(settings, &auth));
        problems.take(one_issuer(settings, services, &auth));
    }
    if let Some(audit) = problems.take(settings.section::<AuditConfig>("audit")) {
        problems.take(audit.check());
    }
}

/// A limit on a route that no service has never counts anything.
fn limited_routes(edge: &EdgeConfig, problems: &mut Problems) {
    let mut known = matchit::Router::new();
    for (path, item) in KnownService::all().flat_map(|service| (service.openapi)().paths.paths) {
        // Two services with one path would have been found by their tests.
        let _ = known.insert(path, item);
    }
    let of_services = |limit: &&RouteRate| limit.path.starts_with("/api/");
    for limit in edge.rate_limit.per_route.iter().filter(of_services) {
        let served = known
            .at(&limit.path)
            .is_ok_and(|found| has(found.value, &limit.method));
        if !served {
            problems.add(format!(
                "gateway.rate_limit.per_route: no service has the route {} {}, so \"{limit}\" limits nothing; see the \
                 routes with `stoa openapi`",
                limit.method, limit.path
            ));
        }
    }
}

fn has(item: &PathItem, method: &Method) -> bool {
    let operation = match *method {
        Method::GET => &item.get,
        Method::POST => &item.post,
        Method::PUT => &item.put,
        Method::PATCH => &item.patch,
        Method::DELETE => &item.delete,
        _ => return false,
    };
    operation.is_some()
}

/// Each process of auth would issue tokens in the name of the address that it listens on, and refuse those of the others.
fn one_issuer(settings: &Settings, services: &Services, auth: &AuthConfig) -> Result<(), String> {
    let apart = services.has(KnownService::AUTH) && !services.has(KnownService::GATEWAY);
    let Ok(server) = settings.section::<ServerConfig>("server") else {
        return Ok(());
    };
    if !apart || !server.public_url.is_empty() || !auth.issuer.is_empty() {
        return Ok(());
    }
    Err(
        "server.public_url is empty, and auth.issuer too, while auth runs apart from the gateway: each process of auth would \
         issue tokens that the others refuse; set server.public_url in all processes to where people reach the gateway, \
         such as \"https://example.com\""
            .to_owned(),
    )
}

/// Browsers drop a cookie with `SameSite=None` that does not come by https.
fn cookies(settings: &Settings, auth: &AuthConfig) -> Result<(), String> {
    if auth.cookie_same_site != SameSite::None {
        return Ok(());
    }
    let Ok(server) = settings.section::<ServerConfig>("server") else {
        return Ok(());
    };
    let url = tls::public_url(&server, &server.listen.to_string());
    if url.starts_with("https://") {
        return Ok(());
    }
    Err(format!(
        "auth.cookie_same_site is \"none\", and people come by {url}: browsers keep such cookies only over https; set \
         server.public_url to an https:// address, or cookie_same_site to \"lax\""
    ))
}

//! The services of other processes.

use std::net::SocketAddr;

use stoa_config::Settings;
use stoa_events::BusConfig;
use stoa_gateway::GatewayConfig;
use stoa_rpc::RpcConfig;

use super::{super::health, Report};
use crate::{mount::Error, services::KnownService};

pub(super) async fn look(report: &mut Report, settings: &Settings) -> Result<(), Error> {
    let gateway: GatewayConfig = settings.section("gateway")?;
    let rpc: RpcConfig = settings.section("rpc")?;
    for (name, urls) in &gateway.upstreams {
        for url in urls {
            let what = format!("gateway.upstreams.{name} {url}");
            match addresses(&url.to_string()).await {
                Err(error) => report.add(&what, Err::<String, _>(error)),
                Ok(all) => {
                    for address in all {
                        report.add(&format!("{what} ({address})"), ready(address).await);
                    }
                }
            }
        }
    }
    let options = rpc.options();
    for service in KnownService::with_database().map(KnownService::name) {
        for url in rpc.upstreams.get(service).into_iter().flatten() {
            let found = match &options {
                Ok(options) => stoa_rpc::look(service, url, options)
                    .await
                    .map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            };
            report.add(
                &format!("rpc.upstreams.{service} {url}"),
                found.map(|()| "takes calls"),
            );
        }
    }
    let elsewhere = gateway.upstreams.values().any(|urls| !urls.is_empty())
        || rpc.upstreams.values().any(|urls| !urls.is_empty());
    if elsewhere && settings.section::<BusConfig>("bus")?.url.is_empty() {
        Report::warn(
            "bus",
            "services run in other processes and bus.url is not set: they hear nothing of one another's events",
        );
    }
    Ok(())
}

/// Where a host's name leads.
async fn addresses(url: &str) -> Result<Vec<SocketAddr>, String> {
    let authority = url.split_once("://").map_or(url, |(_, authority)| authority);
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let place = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let found = tokio::net::lookup_host(&place).await;
    let found: Vec<_> = found
        .map_err(|e| format!("the name cannot be looked up: {e}"))?
        .collect();
    if found.is_empty() {
        return Err("the name has no address".to_owned());
    }
    Ok(found)
}

async fn ready(address: SocketAddr) -> Result<String, String> {
    let asked = tokio::task::spawn_blocking(move || health::ask(address, false, "/health/ready")).await;
    match asked.map_err(|e| e.to_string())? {
        Ok(200) => Ok("is ready".to_owned()),
        Ok(status) => Err(format!("answers, but is not ready (/health/ready says {status})")),
        Err(error) => Err(format!("does not answer: {error}")),
    }
}

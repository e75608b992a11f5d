//! `stoa services`: what there is, for people and for what is generated from it.

use std::process::ExitCode;

use serde::Serialize;
use stoa_events::EventInfo;
use stoa_http::{
    Code,
    openapi::{self, Permission, RouteInfo},
};

use super::say;
use crate::{mount::Error, services::KnownService};

/// List the services, with their ports, events, routes, metrics and error codes
///
/// Deployment files, dashboards and tests take the services from here. Nothing is opened or started.
#[derive(Debug, clap::Args)]
pub(crate) struct Services {
    /// One JSON list
    #[arg(long)]
    json: bool,
}

/// What is known of a service without running it.
#[derive(Serialize)]
struct Known {
    name: &'static str,
    about: &'static str,
    /// Of its requests, when it runs apart.
    port: u16,
    /// Of the calls of other services.
    rpc_port: Option<u16>,
    database: bool,
    emits: &'static [EventInfo],
    wants: &'static [&'static str],
    pages: &'static [&'static str],
    permissions: Vec<Permission>,
    routes: Vec<Route>,
    metrics: Vec<&'static str>,
    codes: &'static [Code],
}

#[derive(Serialize)]
struct Route {
    method: String,
    path: String,
}

impl Known {
    fn of(service: KnownService) -> Self {
        let routes = openapi::routes(&openapi::published(&(service.openapi)()));
        Self {
            name: service.name,
            about: service.about,
            port: service.port,
            rpc_port: service.rpc_port,
            database: service.has_database(),
            emits: service.emits,
            wants: service.wants,
            pages: service.pages,
            permissions: service.permissions(),
            routes: routes.into_iter().map(Route::of).collect(),
            metrics: service.metrics.iter().map(|(name, _)| *name).collect(),
            codes: service.codes,
        }
    }
}

impl Route {
    fn of(route: RouteInfo) -> Self {
        Self {
            method: route.method.to_string(),
            path: route.path,
        }
    }
}

impl Services {
    pub(crate) fn run(&self) -> Result<ExitCode, Error> {
        let all: Vec<_> = KnownService::all().map(Known::of).collect();
        if self.json {
            say(serde_json::to_string_pretty(&all)?);
        } else {
            for one in &all {
                say(format!(
                    "{:10} {:5}  {:3} routes  {}",
                    one.name,
                    one.port,
                    one.routes.len(),
                    one.about
                ));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

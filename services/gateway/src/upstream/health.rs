//! How the services of other processes are doing, for `/health`.

use std::sync::Arc;

use super::{Upstreams, service::Service};
use stoa_edge::{Detail, HealthCheck};

impl Upstreams {
    /// One check for each service, and one for all of them.
    ///
    /// A service that cannot be reached makes this process `degraded`, and no more: taken out of balance, it would serve the
    /// others no better than before. Only while not one of several can be reached it is not ready: then the fault is
    /// likely on its own side.
    #[must_use]
    pub fn checks(&self) -> Vec<HealthCheck> {
        let all: Vec<Arc<Service>> = self
            .services
            .values()
            .chain(self.grpc.values())
            .cloned()
            .collect();
        let mut checks: Vec<_> = all
            .iter()
            .map(|service| {
                let service = Arc::clone(service);
                HealthCheck::helpful(format!("upstream.{}", service.name), move || {
                    let found = service.detail();
                    async move { found }
                })
            })
            .collect();
        if !all.is_empty() {
            checks.push(HealthCheck::needed("upstreams", move || {
                let reached = all.iter().filter(|service| service.is_reached()).count();
                let found = if reached == 0 {
                    Err("none of the services can be reached".to_owned())
                } else {
                    Ok(Detail::default().with("reached", format_args!("{reached} of {}", all.len())))
                };
                async move { found }
            }));
        }
        checks
    }
}

impl Service {
    fn is_reached(&self) -> bool {
        self.replicas.load().iter().any(|replica| replica.is_fit())
    }

    fn detail(&self) -> Result<Detail, String> {
        let replicas = self.replicas.load();
        let mut detail = Detail::default();
        for replica in replicas.iter() {
            let state = format!("{}, {} in flight", replica.state(), replica.in_flight());
            detail = detail.with(replica.connector.address().to_string(), state);
        }
        if replicas.iter().all(|replica| replica.is_fit()) && !replicas.is_empty() {
            Ok(detail)
        } else if self.is_reached() {
            Ok(detail.degraded())
        } else if replicas.is_empty() {
            Err("no address is known".to_owned())
        } else {
            let told = replicas
                .iter()
                .map(|replica| format!("{}: {}", replica.connector.address(), replica.state()));
            Err(format!(
                "no replica is ready; {}",
                told.collect::<Vec<_>>().join(", ")
            ))
        }
    }
}

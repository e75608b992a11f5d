//! What section `[gateway]` of the settings says of services in other processes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::upstream::{GrpcUpstream, UpstreamConfig, UpstreamUrl};

/// The part of section `[gateway]` that says where other services run. The edge reads the rest of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// Where services run that this process does not run.
    pub upstreams: BTreeMap<String, Vec<UpstreamUrl>>,
    /// Public gRPC services, and where they run.
    pub grpc_upstreams: Vec<GrpcUpstream>,
    /// How services of other processes are treated.
    pub upstream: UpstreamConfig,
}

impl GatewayConfig {
    /// Refuses what no request could be passed on with. `peers`: whether processes show one another certificates.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self, peers: bool) -> Result<(), String> {
        let secure = |(_, urls): &(&String, &Vec<UpstreamUrl>)| urls.iter().any(UpstreamUrl::is_secure);
        if let Some((name, _)) = self.upstreams.iter().find(secure).filter(|_| !peers) {
            return Err(format!(
                "gateway.upstreams.{name} is https, for which both sides show certificates: set rpc.tls.certificate, \
                 rpc.tls.key and rpc.tls.ca"
            ));
        }
        let budget = self.upstream.retry_budget;
        if !(0.0..=1.0).contains(&budget) {
            return Err(format!(
                "gateway.upstream.retry_budget is {budget}, which is not a share of requests: write 0.0 to 1.0"
            ));
        }
        Ok(())
    }
}

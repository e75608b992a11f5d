//! Whether a place where calls are taken does so, for whoever looks whether all is well.

use std::time::Duration;

use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{Directory, RpcError, RpcOptions, deadline};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Calls `service` at `url`, `http://host:port` or `https://host:port`, and asks whether it serves.
///
/// # Errors
/// When nobody answers there, who does refuses this process, or says that it does not serve.
pub async fn look(service: &'static str, url: &str, options: &RpcOptions) -> Result<(), RpcError> {
    let directory = Directory::new();
    directory.set_remote(service, &[url], options)?;
    let mut client = HealthClient::new(directory.channel(service));
    let asked = client.check(HealthCheckRequest::default());
    let answer = deadline::within(PATIENCE, asked)
        .await
        .map_err(|status| RpcError(status.message().to_owned()))?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        other => Err(RpcError(format!("it answers {}", other.as_str_name()))),
    }
}

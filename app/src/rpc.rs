//! Calls between services: those of other processes are found, and this one is found by them.

use std::sync::Arc;

use stoa_config::Settings;
use stoa_rpc::{Directory, RpcConfig, RpcOptions};
use stoa_tls::Mutual;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{mount::Error, services::Services};

/// Section `[rpc]`, with its certificates read.
pub(crate) struct Rpc {
    config: RpcConfig,
    options: RpcOptions,
}

impl Rpc {
    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        let config: RpcConfig = settings.section("rpc")?;
        let options = config.options()?;
        Ok(Self { config, options })
    }

    /// The certificates between processes, if there are any.
    pub(crate) fn peers(&self) -> Option<&Arc<Mutual>> {
        self.options.tls.as_ref()
    }

    /// Says where the services are that this process does not run.
    pub(crate) fn connect(&self, directory: &Directory, services: &Services) -> Result<(), Error> {
        for service in services.others() {
            let name = service.name();
            if let Some(urls) = self.config.upstreams.get(name).filter(|urls| !urls.is_empty()) {
                directory
                    .set_remote(name, urls, &self.options)
                    .map_err(|e| format!("rpc.upstreams.{name}: {e}"))?;
            }
        }
        Ok(())
    }

    /// Serves calls of others until `stop`, if there is an address for it.
    pub(crate) async fn serve(
        self,
        listen: &str,
        directory: &Directory,
        stop: CancellationToken,
    ) -> Result<Option<JoinHandle<()>>, Error> {
        if listen.is_empty() {
            return Ok(None);
        }
        let listener = self.config.bind(listen, &self.options).await?;
        let directory = directory.clone();
        Ok(Some(tokio::spawn(async move {
            directory.serve(listener, &self.options, stop).await;
        })))
    }
}

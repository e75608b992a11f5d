//! Section `[rpc]` of the settings.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use stoa_tls::{Mutual, MutualFiles};
use tokio::net::TcpListener;

use crate::{RpcError, RpcOptions};

/// Section `[rpc]`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpcConfig {
    /// Whether calls from other machines are served without TLS.
    pub insecure: bool,
    /// Certificates between processes.
    pub tls: RpcTlsConfig,
    /// Where services of other processes run, by their names. Those without an address run nowhere else.
    pub upstreams: BTreeMap<String, Vec<String>>,
}

/// Section `[rpc.tls]`: either all of it or nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RpcTlsConfig {
    /// The chain that this process shows as server and as client.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities that the other side's certificate must come from.
    pub ca: PathBuf,
}

const TLS: &str = "rpc.tls";

impl RpcConfig {
    /// Reads the certificates, if there are any, and from then on again when they change. Needs a runtime.
    ///
    /// # Errors
    /// When they cannot be used. The message names the setting.
    pub fn options(&self) -> Result<RpcOptions, RpcError> {
        let Some(files) = self.tls_files()? else {
            return Ok(RpcOptions::default());
        };
        let mutual = Mutual::watch(files).map_err(|e| RpcError(e.0))?;
        Ok(RpcOptions { tls: Some(mutual) })
    }

    /// Where the certificates stand, if there are any.
    ///
    /// # Errors
    /// When only some of the files are set.
    pub fn tls_files(&self) -> Result<Option<MutualFiles>, RpcError> {
        let all = [
            ("certificate", &self.tls.certificate),
            ("key", &self.tls.key),
            ("ca", &self.tls.ca),
        ];
        let is_set = |path: &Path| !path.as_os_str().is_empty();
        if !all.iter().any(|(_, path)| is_set(path)) {
            return Ok(None);
        }
        if let Some((missing, _)) = all.iter().find(|(_, path)| !is_set(path)) {
            return Err(RpcError(format!(
                "{TLS}.{missing} is not set: certificate, key and ca are needed together"
            )));
        }
        Ok(Some(MutualFiles {
            section: TLS,
            certificate: self.tls.certificate.clone(),
            key: self.tls.key.clone(),
            ca: self.tls.ca.clone(),
        }))
    }

    /// Takes the address for calls from other processes. Without TLS it must be of this machine alone, unless
    /// `insecure` is set.
    ///
    /// # Errors
    /// When the address cannot be listened on, or must not be.
    pub async fn bind(&self, listen: &str, options: &RpcOptions) -> Result<TcpListener, RpcError> {
        let wrong = |e: std::io::Error| {
            RpcError(format!(
                "cannot listen on {listen}: {e}; set server.rpc_listen to another address, or to none"
            ))
        };
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host(listen).await.map_err(wrong)?.collect();
        let outside = addresses.iter().any(|address| !address.ip().is_loopback());
        if outside && options.tls.is_none() && !self.insecure {
            return Err(RpcError(format!(
                "server.rpc_listen is {listen}, which others may reach, and without [{TLS}] anybody there could call as any \
                 user: set {TLS}.certificate, {TLS}.key and {TLS}.ca, or rpc.insecure = true if the network itself keeps \
                 strangers away"
            )));
        }
        TcpListener::bind(&addresses[..]).await.map_err(wrong)
    }
}

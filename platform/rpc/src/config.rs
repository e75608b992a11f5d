//! Section `[rpc]` of the settings.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use stoa_tls::{Mutual, MutualFiles};
use tokio::net::TcpListener;

use crate::{RpcError, RpcOptions, remote::check_url};

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

/// Whether it ends in `:<port>`.
fn has_port(listen: &str) -> bool {
    listen
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
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
        let Some((set, _)) = all.iter().find(|(_, path)| is_set(path)) else {
            return Ok(None);
        };
        if let Some((missing, _)) = all.iter().find(|(_, path)| !is_set(path)) {
            return Err(RpcError(format!(
                "{TLS}.{set} is set and {TLS}.{missing} is not: certificate, key and ca are needed together"
            )));
        }
        Ok(Some(MutualFiles {
            section: TLS,
            certificate: self.tls.certificate.clone(),
            key: self.tls.key.clone(),
            ca: self.tls.ca.clone(),
        }))
    }

    /// Refuses what no call could be made or taken with, without making one. Certificates are read.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check(&self) -> Result<(), RpcError> {
        let files = self.tls_files()?;
        if let Some(files) = &files {
            files.look().map_err(|e| RpcError(e.0))?;
        }
        for (name, urls) in &self.upstreams {
            for url in urls {
                check_url(url, files.is_some())
                    .map_err(|e| RpcError(format!("rpc.upstreams.{name}: {e}")))?;
            }
        }
        Ok(())
    }

    /// Refuses an address for calls that cannot be one, or that strangers may reach. A host's name is looked up only when it
    /// is listened on.
    ///
    /// # Errors
    /// In words that name the setting.
    pub fn check_listen(&self, listen: &str) -> Result<(), RpcError> {
        match (listen, listen.parse::<SocketAddr>()) {
            ("", _) => Ok(()),
            (_, Ok(address)) => self.guarded(listen, &[address], self.tls_files()?.is_some()),
            (_, Err(_)) if has_port(listen) => Ok(()),
            (_, Err(_)) => Err(RpcError(format!(
                "server.rpc_listen is '{listen}', which is not an address and a port: write such as 127.0.0.1:3100, or leave it empty"
            ))),
        }
    }

    /// Without TLS only this machine may reach an address for calls, unless `insecure` is set.
    fn guarded(&self, listen: &str, addresses: &[SocketAddr], tls: bool) -> Result<(), RpcError> {
        let outside = addresses.iter().any(|address| !address.ip().is_loopback());
        if !outside || self.insecure || tls {
            return Ok(());
        }
        Err(RpcError(format!(
            "server.rpc_listen is {listen}, which others may reach, and without [{TLS}] anybody there could call as any \
             user: set {TLS}.certificate, {TLS}.key and {TLS}.ca, or rpc.insecure = true if the network itself keeps \
             strangers away"
        )))
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
        self.guarded(listen, &addresses, options.tls.is_some())?;
        TcpListener::bind(&addresses[..]).await.map_err(wrong)
    }
}

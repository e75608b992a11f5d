//! Where a service is said to run.

use std::{net::SocketAddr, sync::Arc};

use http::{Uri, uri::Authority};
use rustls_pki_types::ServerName;

use crate::RpcError;

/// One URL of a service.
pub(super) struct ServiceUrl {
    pub(super) authority: Authority,
    host: String,
    port: u16,
    /// By which its certificate is checked; none without TLS.
    pub(super) tls_name: Option<ServerName<'static>>,
}

impl ServiceUrl {
    pub(super) fn parse(url: &str, tls: bool) -> Result<Arc<Self>, RpcError> {
        let scheme = if tls { "https" } else { "http" };
        if url.contains('@') {
            // Not shown: a password may stand in it.
            return Err(RpcError(format!(
                "the address of a service has no user and no password; write {scheme}://host:port"
            )));
        }
        let wrong = || {
            RpcError(format!(
                "'{url}' is not the address of a service; write {scheme}://host:port"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri.authority().filter(|_| bare).ok_or_else(wrong)?.clone();
        match uri.scheme_str() {
            Some("https") if !tls => {
                return Err(RpcError(format!(
                    "'{url}' begins with https, but no certificates are set: set rpc.tls.certificate, rpc.tls.key and rpc.tls.ca"
                )));
            }
            Some("http") if tls => {
                return Err(RpcError(format!(
                    "'{url}' begins with http, but certificates are set in [rpc.tls]: write https://"
                )));
            }
            Some(found) if found == scheme => {}
            _ => return Err(wrong()),
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return Err(wrong());
        }
        let tls_name = tls
            .then(|| ServerName::try_from(host.clone()))
            .transpose()
            .map_err(|_| wrong())?;
        Ok(Arc::new(Self {
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority,
            host,
            tls_name,
        }))
    }

    /// Its address, if it needs no looking up.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port))
    }

    /// Its addresses now.
    pub(super) async fn look_up(&self) -> std::io::Result<Vec<SocketAddr>> {
        if let Some(address) = self.address() {
            return Ok(vec![address]);
        }
        Ok(tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .collect())
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

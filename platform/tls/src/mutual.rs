//! TLS between peers that both show a certificate.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::SingleCertAndKey,
};

use crate::{
    TlsError, Version, expiry, keys, provider,
    watch::{Reload, Snapshot, read_again, watch},
    wrong,
};

/// Where a peer's certificate, its key and the authority of all peers stand.
#[derive(Clone, Debug)]
pub struct MutualFiles {
    /// The settings section that names them, for messages.
    pub section: &'static str,
    /// The chain, PEM, shown as server and as client.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Certificates of the authorities that the other side's must come from, PEM.
    pub ca: PathBuf,
}

/// A peer: as server it asks for a certificate, as client it shows one. Its files are read again when they change, for
/// connections that begin then. Sessions are never resumed: each connection shows a certificate that is good now.
pub struct Mutual {
    files: MutualFiles,
    configs: ArcSwap<Configs>,
}

struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    http_server: Arc<ServerConfig>,
    http_client: Arc<ClientConfig>,
}

impl Mutual {
    /// Reads the files, and from then on looks at them every two seconds. Needs a runtime.
    ///
    /// # Errors
    /// When one cannot be used now. The message names the setting.
    pub fn watch(files: MutualFiles) -> Result<Arc<Self>, TlsError> {
        let seen = Snapshot::at(paths(&files));
        let mutual = Arc::new(Self {
            configs: ArcSwap::from_pointee(read(&files)?),
            files,
        });
        watch(&mutual, seen);
        Ok(mutual)
    }

    /// Reads the files again now. Blocks for as long as that takes; what cannot be used is logged.
    pub fn read_again(&self) {
        read_again(self);
    }

    /// How to speak as server, now.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.configs.load().server)
    }

    /// How to speak as client, now.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.configs.load().client)
    }

    /// As [`Mutual::server`], for HTTP of any version rather than gRPC.
    #[must_use]
    pub fn http_server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.configs.load().http_server)
    }

    /// As [`Mutual::client`], for HTTP/1.1 rather than gRPC.
    #[must_use]
    pub fn http_client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.configs.load().http_client)
    }
}

impl Reload for Mutual {
    fn files(&self) -> Vec<PathBuf> {
        paths(&self.files)
    }

    fn reload(&self) -> Result<(), TlsError> {
        self.configs.store(Arc::new(read(&self.files)?));
        Ok(())
    }
}

fn paths(files: &MutualFiles) -> Vec<PathBuf> {
    vec![files.certificate.clone(), files.key.clone(), files.ca.clone()]
}

/// TLS 1.3 alone: both sides are of this program. gRPC is HTTP/2 alone.
fn read(files: &MutualFiles) -> Result<Configs, TlsError> {
    let section = files.section;
    let name = |key| format!("{section}.{key}");
    let own = keys::read(
        (&name("certificate"), &files.certificate),
        (&name("key"), &files.key),
    )?;
    expiry::tell(section, std::iter::once(&*own));
    let own = Arc::new(SingleCertAndKey::from(own));
    let roots = Arc::new(keys::roots(&name("ca"), &files.ca)?);
    let callers = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider())
        .build()
        .map_err(|e| wrong(name("ca"), e))?;
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(Version::Tls13.and_later())
        .map_err(|e| wrong(section, e))?
        .with_client_cert_verifier(callers)
        .with_cert_resolver(Arc::clone(&own) as _);
    server.alpn_protocols = vec![b"h2".to_vec()];
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(Version::Tls13.and_later())
        .map_err(|e| wrong(section, e))?
        .with_root_certificates(roots)
        .with_client_cert_resolver(own);
    client.alpn_protocols = vec![b"h2".to_vec()];
    client.resumption = Resumption::disabled();
    let (mut http_server, mut http_client) = (server.clone(), client.clone());
    http_server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    http_client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Configs {
        server: Arc::new(server),
        client: Arc::new(client),
        http_server: Arc::new(http_server),
        http_client: Arc::new(http_client),
    })
}

//! The certificates of a public listener, chosen by the name that a client asks for.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    TlsError, Validity, Version, expiry, keys, provider,
    watch::{Reload, Snapshot, read_again, watch},
    wrong,
};

/// What certificate authorities ask by to see that a name is ours (RFC 8737).
pub const ACME_ALPN: &[u8] = b"acme-tls/1";

/// Where certificates are read from. Each may be left out.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The settings section that names them, for messages.
    pub section: &'static str,
    /// A chain and its key, both PEM: for those who ask for a name that no other certificate has, or for none.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// A folder of further ones: each `<name>.crt` (or `.pem`) beside its `<name>.key`.
    pub folder: Option<PathBuf>,
}

/// Certificates with their keys, by name. Those from files are read again when these change.
#[derive(Debug)]
pub struct Certificates {
    source: Source,
    /// As read from files last.
    read: Mutex<Vec<Arc<CertifiedKey>>>,
    /// Obtained by the program itself.
    obtained: Mutex<Option<Arc<CertifiedKey>>>,
    table: ArcSwap<Table>,
    /// Certificates that answer an authority's question, by name.
    answers: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

/// What a handshake looks at.
#[derive(Debug, Default)]
struct Table {
    /// In lower case; `*.example.com` for all names one level below.
    names: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads the files, and from then on looks at them every two seconds. Files that cannot be used when they have
    /// changed are logged, and those from before stay in use. Needs a runtime.
    ///
    /// # Errors
    /// When one cannot be used now. The message names the setting.
    pub fn watch(source: Source) -> Result<Arc<Self>, TlsError> {
        let certificates = Arc::new(Self {
            source,
            read: Mutex::default(),
            obtained: Mutex::default(),
            table: ArcSwap::default(),
            answers: RwLock::default(),
        });
        let seen = Snapshot::at(certificates.files());
        certificates.reload()?;
        watch(&certificates, seen);
        Ok(certificates)
    }

    /// Reads the files again now. Blocks for as long as that takes; what cannot be used is logged.
    pub fn read_again(&self) {
        read_again(self);
    }

    /// Shows this one, which the program obtained itself, for its names. Files for the same names come first.
    pub fn set_obtained(&self, certificate: Arc<CertifiedKey>) {
        *self.obtained.lock() = Some(certificate);
        self.arrange();
    }

    /// Answers an authority that asks for `name` by TLS-ALPN-01 with `certificate`; with none, no longer.
    pub fn set_answer(&self, name: &str, certificate: Option<Arc<CertifiedKey>>) {
        let mut answers = self.answers.write();
        match certificate {
            Some(certificate) => _ = answers.insert(name.to_ascii_lowercase(), certificate),
            None => _ = answers.remove(&name.to_ascii_lowercase()),
        }
    }

    /// How a listener for HTTP/2 and HTTP/1.1 speaks with these certificates. Clients may resume sessions: the keys of
    /// their tickets change every six hours.
    ///
    /// # Errors
    /// When the machine has no randomness to give.
    pub fn server_config(self: &Arc<Self>, least: Version) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(least.and_later())
            .map_err(|e| wrong("TLS", e))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = [b"h2", &b"http/1.1"[..], ACME_ALPN].map(<[u8]>::to_vec).to_vec();
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|e| wrong("TLS", e))?;
        Ok(Arc::new(config))
    }

    fn arrange(&self) {
        let (read, obtained) = (self.read.lock(), self.obtained.lock());
        expiry::tell(
            self.source.section,
            read.iter().chain(obtained.iter()).map(|one| &**one),
        );
        let mut table = Table::default();
        for certificate in read.iter().chain(obtained.iter()) {
            table.default.get_or_insert_with(|| Arc::clone(certificate));
            for name in names(certificate) {
                table.names.entry(name).or_insert_with(|| Arc::clone(certificate));
            }
        }
        self.table.store(Arc::new(table));
    }
}

impl Reload for Certificates {
    fn files(&self) -> Vec<PathBuf> {
        let pair = self.source.pair.iter().cloned();
        pair.chain(self.source.pairs().unwrap_or_default())
            .flat_map(|(certificate, key)| [certificate, key])
            .collect()
    }

    fn reload(&self) -> Result<(), TlsError> {
        let mut read = Vec::new();
        for (file, certificate) in self.source.read()? {
            tell(&file, &certificate);
            read.push(certificate);
        }
        *self.read.lock() = read;
        self.arrange();
        Ok(())
    }
}

impl Source {
    /// The folder's certificates with their keys.
    fn pairs(&self) -> Result<Vec<(PathBuf, PathBuf)>, TlsError> {
        let Some(folder) = &self.folder else {
            return Ok(Vec::new());
        };
        let setting = format!("{}.folder ({})", self.section, folder.display());
        let entries = fs::read_dir(folder).map_err(|e| wrong(&setting, e))?;
        let mut pairs: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "crt" || end == "pem"))
            .map(|path| (path.clone(), path.with_extension("key")))
            .collect();
        pairs.sort();
        Ok(pairs)
    }

    /// All of them with their files, the pair first.
    pub(crate) fn read(&self) -> Result<Vec<(PathBuf, Arc<CertifiedKey>)>, TlsError> {
        let section = self.section;
        let mut read = Vec::new();
        if let Some((certificate, key)) = &self.pair {
            let names = [format!("{section}.certificate"), format!("{section}.key")];
            let pair = keys::read((&names[0], certificate), (&names[1], key))?;
            read.push((certificate.clone(), pair));
        }
        let folder = format!("{section}.folder");
        for (certificate, key) in self.pairs()? {
            let pair = keys::read((&folder, &certificate), (&folder, &key))?;
            read.push((certificate, pair));
        }
        Ok(read)
    }
}

/// Says for whom and until when one is good.
fn tell(file: &Path, certificate: &CertifiedKey) {
    let Some(validity) = Validity::of(certificate) else {
        return;
    };
    let file = file.display();
    if validity.until < stoa_kernel::Clock::system().now() {
        tracing::error!(%file, until = %validity.until, "a certificate has expired; clients will refuse it");
    } else {
        tracing::info!(%file, names = names(certificate).join(", "), until = %validity.until, "a certificate was read");
    }
}

/// The names that a certificate is for, in lower case.
pub(crate) fn names(certificate: &CertifiedKey) -> Vec<String> {
    let Some(Ok(parsed)) = certificate.cert.first().map(webpki::EndEntityCert::try_from) else {
        return Vec::new();
    };
    parsed.valid_dns_names().map(str::to_ascii_lowercase).collect()
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name();
        if hello
            .alpn()
            .is_some_and(|mut offered| offered.any(|one| one == ACME_ALPN))
        {
            return self.answers.read().get(asked?).cloned();
        }
        let table = self.table.load();
        let named = asked.and_then(|name| {
            let below = || name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            table.names.get(name).or_else(|| table.names.get(&below()?))
        });
        named.or(table.default.as_ref()).cloned()
    }
}

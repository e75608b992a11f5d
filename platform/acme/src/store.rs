//! What is kept from one start to the next: for the owner's eyes alone.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use instant_acme::AccountCredentials;
use rustls::sign::CertifiedKey;
use stoa_tls::TlsError;

/// A folder for each authority.
pub(crate) struct Store(PathBuf);

const ACCOUNT: &str = "account.json";
/// The key, then the chain.
const CERTIFICATE: &str = "certificate.pem";

impl Store {
    /// Makes the folder where it is missing.
    pub(crate) fn open(folder: &Path, directory: &str) -> Result<Self, TlsError> {
        let store = Self::at(folder, directory);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&store.0);
        made.map_err(|e| TlsError(format!("the folder {} cannot be made: {e}", store.0.display())))?;
        Ok(store)
    }

    /// That of this authority, whether it is there or not.
    pub(crate) fn at(folder: &Path, directory: &str) -> Self {
        let name: String = directory
            .trim_start_matches("https://")
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '.' {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        Self(folder.join(name))
    }

    /// The certificate, if there is one that is for all of these names and can be used.
    pub(crate) fn certificate(&self, domains: &[String]) -> Option<Arc<CertifiedKey>> {
        let pem = fs::read(self.0.join(CERTIFICATE)).ok()?;
        let kept = stoa_tls::from_pem(&pem, &pem)
            .inspect_err(|error| tracing::warn!(%error, "the certificate that was kept cannot be used"))
            .ok()?;
        let parsed = webpki::EndEntityCert::try_from(kept.cert.first()?).ok()?;
        let names: Vec<_> = parsed.valid_dns_names().map(str::to_ascii_lowercase).collect();
        domains
            .iter()
            .all(|domain| names.contains(&domain.to_ascii_lowercase()))
            .then_some(kept)
    }

    /// Keeps this one from now on.
    pub(crate) fn keep(&self, pem: &str) -> Result<Arc<CertifiedKey>, TlsError> {
        let certificate = stoa_tls::from_pem(pem.as_bytes(), pem.as_bytes())?;
        self.write(CERTIFICATE, pem.as_bytes())?;
        Ok(certificate)
    }

    pub(crate) fn account(&self) -> Option<AccountCredentials> {
        let text = fs::read(self.0.join(ACCOUNT)).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(
                |error| tracing::warn!(%error, "the account that was kept cannot be read; another is made"),
            )
            .ok()
    }

    pub(crate) fn keep_account(&self, account: &AccountCredentials) -> Result<(), TlsError> {
        let text = serde_json::to_vec(account).map_err(|e| TlsError(e.to_string()))?;
        self.write(ACCOUNT, &text)
    }

    /// The authority does not know it any more.
    pub(crate) fn forget_account(&self) {
        if let Err(error) = fs::remove_file(self.0.join(ACCOUNT)) {
            tracing::warn!(%error, "an account that the authority does not know cannot be forgotten");
        }
    }

    /// All of it or nothing, also when the machine fails meanwhile.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TlsError> {
        let (path, new) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let write = || -> io::Result<()> {
            let _ = fs::remove_file(&new);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            fs::File::open(&self.0)?.sync_all()
        };
        write().map_err(|e| TlsError(format!("{} cannot be written: {e}", path.display())))
    }
}

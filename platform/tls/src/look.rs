//! Certificates as they stand in files now, for whoever looks whether all is well.

use std::path::PathBuf;

use rustls::sign::CertifiedKey;

use crate::{MutualFiles, Source, TlsError, Validity, certificates::names, keys};

/// A certificate that can be used, with its key.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it stands.
    pub file: PathBuf,
    /// The names that it is for.
    pub names: Vec<String>,
    /// From when until when it is good.
    pub validity: Option<Validity>,
}

impl Found {
    fn new(file: PathBuf, certificate: &CertifiedKey) -> Self {
        Self {
            file,
            names: names(certificate),
            validity: Validity::of(certificate),
        }
    }
}

impl Source {
    /// All certificates, read once.
    ///
    /// # Errors
    /// When one cannot be used. The message names the setting.
    pub fn look(&self) -> Result<Vec<Found>, TlsError> {
        let read = self.read()?.into_iter();
        Ok(read
            .map(|(file, certificate)| Found::new(file, &certificate))
            .collect())
    }
}

impl MutualFiles {
    /// The own certificate, read once, with the authorities.
    ///
    /// # Errors
    /// When one of the files cannot be used. The message names the setting.
    pub fn look(&self) -> Result<Found, TlsError> {
        let name = |key| format!("{}.{key}", self.section);
        keys::roots(&name("ca"), &self.ca)?;
        let own = keys::read(
            (&name("certificate"), &self.certificate),
            (&name("key"), &self.key),
        )?;
        Ok(Found::new(self.certificate.clone(), &own))
    }
}

//! Certificates from an authority by ACME (RFC 8555): obtained when there is none, renewed when two thirds of their life are
//! over, kept in a folder from one start to the next.

mod client;
mod config;
mod order;
mod store;

use std::{path::Path, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConfig, RootCertStore, sign::CertifiedKey};
use stoa_kernel::{Clock, random};
use stoa_tls::{Certificates, TlsError, Validity, Version};
use tokio_util::sync::CancellationToken;

pub use config::{AcmeConfig, Challenge};

use crate::store::Store;

/// Between two looks at whether it is time, and after a first failure; then each time twice as long. Authorities count
/// failures: five an hour are a lot to them.
const LOOK: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(12 * 3600);

/// Answers under `/.well-known/acme-challenge/`: a token and its text, or none when it is over.
pub type HttpAnswer = Box<dyn Fn(&str, Option<String>) + Send + Sync>;

/// Keeps the certificate of the names in its settings.
pub struct Acme {
    config: AcmeConfig,
    store: Store,
    clock: Clock,
    certificates: Arc<Certificates>,
    http: HttpAnswer,
    tls: Arc<ClientConfig>,
    /// When the one in use is to be renewed; none if there is none.
    due: Option<Timestamp>,
    look: Duration,
}

impl Acme {
    /// Shows the certificate that was kept in `folder`, if there is one for these names. Talks to nobody yet.
    ///
    /// # Errors
    /// When the settings do not go together, or the folder cannot be used.
    pub fn open(
        config: AcmeConfig,
        folder: &Path,
        clock: Clock,
        certificates: Arc<Certificates>,
        http: HttpAnswer,
    ) -> Result<Self, TlsError> {
        config.check()?;
        let mut acme = Self {
            tls: trusting(&config)?,
            store: Store::open(folder, &config.directory)?,
            config,
            clock,
            certificates,
            http,
            due: None,
            look: LOOK,
        };
        if let Some(kept) = acme.store.certificate(&acme.config.domains) {
            acme.show(kept);
        }
        Ok(acme)
    }

    /// Until when the certificate is good that was obtained for these names, if one was.
    #[must_use]
    pub fn kept_until(config: &AcmeConfig, folder: &Path) -> Option<Timestamp> {
        let kept = Store::at(folder, &config.directory).certificate(&config.domains)?;
        Validity::of(&kept).map(|validity| validity.until)
    }

    /// Looks more or less often than once a minute whether it is time.
    #[must_use]
    pub fn look_every(mut self, look: Duration) -> Self {
        self.look = look;
        self
    }

    /// Obtains and renews until `stop`. What fails is logged and tried again, later each time; the certificate in use stays.
    pub async fn run(mut self, stop: CancellationToken) {
        let work = async {
            let mut failures = 0;
            loop {
                if self.due.is_none_or(|due| due <= self.clock.now()) {
                    match self.obtain().await {
                        Ok(()) => failures = 0,
                        Err(error) => {
                            let pause = pause(self.look, failures);
                            failures += 1;
                            tracing::error!(%error, domains = self.config.domains.join(", "), again_in = ?pause, "no certificate could be obtained");
                            tokio::time::sleep(pause).await;
                            continue;
                        }
                    }
                }
                tokio::time::sleep(self.look).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    async fn obtain(&mut self) -> Result<(), order::Error> {
        let pem = order::order(self).await?;
        let certificate = self.store.keep(&pem)?;
        self.show(certificate);
        tracing::info!(
            domains = self.config.domains.join(", "),
            renewal = self.due.map(tracing::field::display),
            "a certificate was obtained"
        );
        Ok(())
    }

    fn show(&mut self, certificate: Arc<CertifiedKey>) {
        self.due = Validity::of(&certificate).map(renewal);
        self.certificates.set_obtained(certificate);
    }
}

/// At two thirds of its life, or up to a twentieth of it earlier, so that many installations do not come at once.
fn renewal(validity: Validity) -> Timestamp {
    let life = validity.until.duration_since(validity.from);
    let share = 2.0 / 3.0 - random::fraction() / 20.0;
    let age = SignedDuration::try_from_secs_f64(life.as_secs_f64() * share).unwrap_or(life);
    validity.from.saturating_add(age).unwrap_or(Timestamp::MAX)
}

fn pause(first: Duration, failures: u32) -> Duration {
    let pause = first.saturating_mul(1 << failures.min(12)).min(LONGEST_PAUSE);
    pause.mul_f64(0.75 + 0.5 * random::fraction())
}

/// Believes the public authorities, or the one in the settings alone.
fn trusting(config: &AcmeConfig) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = if config.ca.as_os_str().is_empty() {
        RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        }
    } else {
        stoa_tls::roots("server.tls.acme.ca", &config.ca)?
    };
    stoa_tls::client_config(roots, Version::Tls12)
}

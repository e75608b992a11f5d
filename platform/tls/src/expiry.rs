//! When what is shown ends, for whoever is to be warned in time.

use jiff::Timestamp;
use rustls::sign::CertifiedKey;

use crate::Validity;

/// Tells when the first of the certificates of a settings section ends.
pub(crate) fn tell<'a>(section: &'static str, certificates: impl Iterator<Item = &'a CertifiedKey>) {
    let first = certificates.filter_map(Validity::of).map(|one| one.until).min();
    if let Some(first) = first {
        metrics::gauge!("stoa_tls_certificate_expires_seconds", "section" => section).set(seconds(first));
    }
}

/// Since 1970.
#[expect(
    clippy::cast_precision_loss,
    reason = "times up to the year 9999 are far below 2^53 seconds"
)]
fn seconds(time: Timestamp) -> f64 {
    time.as_second() as f64
}

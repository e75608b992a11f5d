//! From when until when a certificate is good: the one thing that no library here tells of it.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rustls::sign::CertifiedKey;

/// The time in which a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

impl Validity {
    /// That of the first certificate of a chain. None if it is not one.
    #[must_use]
    pub fn of(certificate: &CertifiedKey) -> Option<Self> {
        Self::read(certificate.cert.first()?)
    }

    /// RFC 5280, 4.1: version, serial number, algorithm and issuer stand before it.
    fn read(der: &[u8]) -> Option<Self> {
        let (certificate, _) = item(der, SEQUENCE)?;
        let (mut rest, _) = item(certificate, SEQUENCE)?;
        if let Some((_, after)) = item(rest, VERSION) {
            rest = after;
        }
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            rest = item(rest, tag)?.1;
        }
        let (times, _) = item(rest, SEQUENCE)?;
        let (from, rest) = time(times)?;
        let (until, _) = time(rest)?;
        Some(Self { from, until })
    }
}

/// The content of the item that `der` begins with, and what follows it.
fn item(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (
                bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
                rest,
            )
        }
        _ => return None,
    };
    (found == tag).then_some(())?;
    rest.split_at_checked(length)
}

fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest) = item(der, GENERALIZED_TIME).or_else(|| item(der, UTC_TIME))?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    // Two digits of the year stand for 1950 to 2049.
    let full = match text.len() {
        12 if text < "50" => format!("20{text}"),
        12 => format!("19{text}"),
        14 => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", full).ok()?;
    // Only the last day of the year 9999, which means never, is beyond what a timestamp holds.
    Some((TimeZone::UTC.to_timestamp(time).unwrap_or(Timestamp::MAX), rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_time_of_a_certificate_is_read_in_both_its_forms() {
        for (from, until) in [(1999, 2049), (2024, 2050), (2026, 9999)] {
            let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
            params.not_before = date_time_ymd(from, 2, 28);
            params.not_after = date_time_ymd(until, 12, 30);
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let validity = Validity::read(certificate.der()).unwrap();
            assert_eq!(validity.from.to_string(), format!("{from}-02-28T00:00:00Z"));
            assert_eq!(validity.until.to_string(), format!("{until}-12-30T00:00:00Z"));
        }
    }

    #[test]
    fn never_is_the_end_of_time() {
        assert_eq!(time(b"\x18\x0f99991231235959Z").unwrap().0, Timestamp::MAX);
    }

    #[test]
    fn what_is_cut_off_is_none_and_does_no_harm() {
        let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let der = certificate.der();
        for length in 0..der.len() {
            assert_eq!(Validity::read(&der[..length]), None);
        }
        assert_eq!(Validity::read(&[SEQUENCE, 0x84, 255, 255, 255, 255]), None);
    }
}

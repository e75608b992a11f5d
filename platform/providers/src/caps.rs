//! How much a provider may be given: in a minute and in a day of the clock, by all processes that share a cache.

use std::{num::NonZeroU32, time::Duration};

use stoa_cache::Cache;
use stoa_kernel::Timestamp;
use url::Url;

use crate::SendError;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// The caps of one provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// In a minute of the clock.
    pub per_minute: Option<NonZeroU32>,
    /// In a day of the clock, from midnight to midnight UTC.
    pub per_day: Option<NonZeroU32>,
}

impl Caps {
    /// Takes `per_minute` and `per_day` out of the query of a provider's address. `key` is the setting that has the address.
    ///
    /// # Errors
    /// When one is no whole number from 1.
    pub fn take(url: &mut Url, key: &str) -> Result<Self, SendError> {
        let mut caps = Self::default();
        let mut others = Vec::new();
        for (name, value) in url.query_pairs() {
            let cap = match &*name {
                "per_minute" => &mut caps.per_minute,
                "per_day" => &mut caps.per_day,
                _ => {
                    others.push((name.into_owned(), value.into_owned()));
                    continue;
                }
            };
            *cap =
                Some(value.parse().map_err(|_| {
                    SendError::Config(format!("{key}: {name} must be a whole number from 1"))
                })?);
        }
        if others.is_empty() {
            url.set_query(None);
        } else {
            url.query_pairs_mut().clear().extend_pairs(others);
        }
        Ok(caps)
    }

    /// Counts one message, unless a cap is reached: then in how long it is not any more. What is counted is the attempt: the
    /// provider counts those that fail as well.
    pub(crate) async fn count(&self, cache: &Cache, provider: &str, now: Timestamp) -> Result<(), Duration> {
        for (cap, length) in [(self.per_minute, MINUTE), (self.per_day, DAY)] {
            let Some(cap) = cap else { continue };
            let window = now.as_second().div_euclid(length);
            let left = (window + 1) * length - now.as_second();
            let left = Duration::from_secs(u64::try_from(left).unwrap_or(1));
            let key = format!("providers:{provider}:{length}:{window}");
            // What a full minute turns away does not count in the day.
            if count(cache, &key, left).await > u64::from(cap.get()) {
                return Err(left);
            }
        }
        Ok(())
    }
}

/// How many there are with this one. While a shared cache is away, each process counts for itself.
async fn count(cache: &Cache, key: &str, ttl: Duration) -> u64 {
    match cache.count(key, ttl).await {
        Ok(count) => count,
        // The part of this process always answers.
        Err(_) => cache.here().count(key, ttl).await.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (Result<Caps, SendError>, String) {
        let mut url = Url::parse(text).unwrap();
        let caps = Caps::take(&mut url, "mail.url");
        (caps, url.to_string())
    }

    #[test]
    fn caps_are_taken_out_of_the_address() {
        let (caps, rest) = taken("smtp://mx.example?per_minute=60&tls=none&per_day=1000");
        let caps = caps.unwrap();
        assert_eq!(caps.per_minute.map(NonZeroU32::get), Some(60));
        assert_eq!(caps.per_day.map(NonZeroU32::get), Some(1000));
        assert_eq!(rest, "smtp://mx.example?tls=none");
        let (caps, rest) = taken("smtp://mx.example?per_minute=60");
        assert_eq!(
            (caps.unwrap().per_day, rest.as_str()),
            (None, "smtp://mx.example")
        );
        assert_eq!(taken("smtp://mx.example").0.unwrap(), Caps::default());
    }

    #[test]
    fn a_cap_that_is_no_number_is_refused() {
        for value in ["0", "", "-1", "1.5", "many", "99999999999"] {
            let (caps, _) = taken(&format!("smtp://u:secret@mx.example?per_day={value}"));
            let error = caps.unwrap_err().to_string();
            assert!(
                error.starts_with("mail.url: per_day") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}

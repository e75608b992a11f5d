//! When an attempt is made again.

use std::time::Duration;

use stoa_kernel::{Timestamp, random};
use stoa_outbound::{HeaderMap, header};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// Seconds from one attempt to the next: after the first, the second and so on.
const PAUSES: [u64; 7] = [
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    10 * HOUR,
];
/// The most that a server may ask us to wait.
const MOST: Duration = Duration::from_secs(24 * HOUR);

/// How long to wait after this many attempts that failed; none once all were made. A server may ask for more, within bounds. Up to a
/// tenth is added, so that what failed together does not come back together.
pub(crate) fn pause(attempts: u32, asked: Option<Duration>) -> Option<Duration> {
    let at = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let planned = Duration::from_secs(*PAUSES.get(at)?);
    let pause = planned.max(asked.unwrap_or_default().min(MOST));
    Some(pause.mul_f64(1.0 + random::fraction() / 10.0))
}

/// What `Retry-After` says, in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()?;
    Duration::try_from(date.duration_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use stoa_outbound::HeaderValue;

    use super::*;

    #[test]
    fn attempts_are_made_as_planned_and_no_more() {
        for (attempts, seconds) in (1..).zip(PAUSES) {
            let pause = pause(attempts, None).unwrap().as_secs_f64();
            let seconds = Duration::from_secs(seconds).as_secs_f64();
            assert!((seconds..=seconds * 1.1).contains(&pause), "{attempts}: {pause}");
        }
        assert_eq!((pause(0, None), pause(8, None)), (None, None));
    }

    #[test]
    fn a_server_may_ask_for_more_within_bounds() {
        let asked = |seconds| pause(1, Some(Duration::from_secs(seconds))).unwrap().as_secs();
        assert!((5..=6).contains(&asked(1)));
        assert!((60..=66).contains(&asked(60)));
        assert!(asked(u64::MAX / 2) <= 27 * HOUR);
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let said = |text: &'static str| {
            retry_after(
                &HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]),
                now,
            )
        };
        assert_eq!(said("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            said("Fri, 02 Jan 2026 03:05:05 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(said("Fri, 02 Jan 2026 03:00:00 GMT"), None);
        assert_eq!(said("soon"), None);
    }
}

//! How long a call may take: `grpc-timeout`, as the gRPC protocol writes it. Calls made within another's time get no more
//! than what is left of it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// For calls that do not say.
const DEFAULT: Duration = Duration::from_secs(5);
const DEFAULT_TEXT: HeaderValue = HeaderValue::from_static("5S");

tokio::task_local! {
    static END: Instant;
}

/// Runs `work`, whose calls end when `limit` is over, if they do not end before. `work` itself is not ended.
pub async fn within<F: Future>(limit: Duration, work: F) -> F::Output {
    until(Instant::now() + limit, work).await
}

/// As [`within`], until a moment that is known.
pub async fn until<F: Future>(end: Instant, work: F) -> F::Output {
    let end = END.try_with(|&outer| outer.min(end)).unwrap_or(end);
    END.scope(end, work).await
}

/// What is left of the time of the work at hand, if that has a limit.
#[must_use]
pub fn left() -> Option<Duration> {
    let left = |end: &Instant| end.saturating_duration_since(Instant::now());
    END.try_with(left).ok()
}

/// The call's own limit, or the default; not more than is left. It is written down for the server.
pub(crate) fn of_call(headers: &mut HeaderMap) -> Duration {
    let own = read(headers);
    let limit = own.unwrap_or(DEFAULT);
    match left().filter(|&left| left < limit) {
        Some(left) => {
            headers.insert(GRPC_TIMEOUT, text(left));
            left
        }
        None => {
            if own.is_none() {
                headers.insert(GRPC_TIMEOUT, DEFAULT_TEXT);
            }
            limit
        }
    }
}

/// In milliseconds, of which eight digits are a day.
fn text(limit: Duration) -> HeaderValue {
    let millis = limit.as_millis().clamp(1, 99_999_999);
    HeaderValue::try_from(format!("{millis}m")).unwrap_or(DEFAULT_TEXT)
}

/// The limit that a call came with. None if there is none, or if it cannot be read.
pub(crate) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Option<Duration> {
        read(&HeaderMap::from_iter([(GRPC_TIMEOUT, text.parse().unwrap())]))
    }

    #[test]
    fn limits_are_read_in_every_unit() {
        let second = Duration::from_secs(1);
        for (text, limit) in [
            ("2H", second * 7200),
            ("3M", second * 180),
            ("4S", second * 4),
            ("5000m", second * 5),
            ("6000000u", second * 6),
            ("70000000n", Duration::from_millis(70)),
        ] {
            assert_eq!(read_text(text), Some(limit), "{text}");
        }
    }

    #[test]
    fn what_is_no_limit_is_none() {
        for text in ["", "5", "S", "+5S", "-5S", "5s", "123456789S", "5 S"] {
            assert_eq!(read_text(text), None, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_within_anothers_time_gets_what_is_left() {
        let nested = async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            let mut headers = HeaderMap::new();
            assert_eq!(of_call(&mut headers), Duration::from_millis(600));
            assert_eq!(read(&headers), Some(Duration::from_millis(600)));
            let mut headers = HeaderMap::from_iter([(GRPC_TIMEOUT, "1m".parse().unwrap())]);
            assert_eq!(
                of_call(&mut headers),
                Duration::from_millis(1),
                "its own is shorter"
            );
            let longer = within(Duration::from_secs(9), async { left() }).await;
            assert_eq!(longer, Some(Duration::from_millis(600)), "the outer time holds");
        };
        within(Duration::from_secs(1), nested).await;
        assert_eq!(left(), None);
    }

    #[test]
    fn a_call_without_a_limit_gets_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_call(&mut headers), DEFAULT);
        assert_eq!(read(&headers), Some(DEFAULT));
        let mut headers = HeaderMap::from_iter([(GRPC_TIMEOUT, "1m".parse().unwrap())]);
        assert_eq!(of_call(&mut headers), Duration::from_millis(1));
    }
}

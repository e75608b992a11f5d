//! How long a call may take: `grpc-timeout`, as the gRPC protocol writes it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// For calls that do not say.
const DEFAULT: Duration = Duration::from_secs(5);
const DEFAULT_TEXT: HeaderValue = HeaderValue::from_static("5S");

/// The call's own limit, or the default, which is then written down for the server.
pub(crate) fn of_call(headers: &mut HeaderMap) -> Duration {
    read(headers).unwrap_or_else(|| {
        headers.insert(GRPC_TIMEOUT, DEFAULT_TEXT);
        DEFAULT
    })
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

    #[test]
    fn a_call_without_a_limit_gets_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_call(&mut headers), DEFAULT);
        assert_eq!(read(&headers), Some(DEFAULT));
        let mut headers = HeaderMap::from_iter([(GRPC_TIMEOUT, "1m".parse().unwrap())]);
        assert_eq!(of_call(&mut headers), Duration::from_millis(1));
    }
}

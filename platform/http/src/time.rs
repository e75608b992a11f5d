//! Times in requests: RFC 3339, from the year 0 to the end of the year 9999.

use jiff::fmt::temporal::Pieces;
use serde::{Deserialize, Deserializer, de::Error};
use stoa_kernel::Timestamp;

/// The last time that databases keep, 9999-12-30T21:59:59Z, in seconds since 1970.
const LAST: i64 = 253_402_207_199;

/// For `#[serde(default, deserialize_with = "stoa_http::time::optional")]`: none for null and for a field that is absent. A later
/// time of the year 9999 than databases keep becomes the last one.
///
/// # Errors
/// When the text is no such time.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let time = parse(&text);
    time.map(Some).ok_or_else(|| {
        D::Error::custom("invalid value: a text, expected a time such as 2026-01-31T12:00:00Z")
    })
}

fn parse(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    let wall = pieces.date().to_datetime(pieces.time()?);
    let offset = pieces.to_numeric_offset()?;
    let last = Timestamp::from_second(LAST).ok()?;
    match offset.to_timestamp(wall) {
        Ok(time) => (wall.year() >= 0).then_some(time.min(last)),
        Err(_) => (wall.year() == 9999).then_some(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_of_four_digit_years_is_accepted() {
        for (text, time) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.5+02:00", "2026-01-31T10:00:00.5Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
            ("9999-12-30T21:59:59Z", "9999-12-30T21:59:59Z"),
            ("9999-12-31T23:59:59Z", "9999-12-30T21:59:59Z"),
            ("9999-12-31T23:59:59.999999999-12:00", "9999-12-30T21:59:59Z"),
        ] {
            let parsed = parse(text).unwrap_or_else(|| panic!("{text} is refused"));
            assert_eq!(parsed.to_string(), time, "{text}");
        }
    }

    #[test]
    fn what_is_no_such_time_is_refused() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-02-30T12:00:00Z",
            "-000001-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "soon",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

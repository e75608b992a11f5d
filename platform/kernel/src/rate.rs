//! How often something may happen, as settings write it: `"100/s"`, `"20/m"`, `"off"`.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

/// A limit of `count` in each `period`; `Off` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// No limit.
    Off,
    /// At most `count` in each `period`.
    Limit {
        /// How many.
        count: NonZeroU32,
        /// In how long: a second, a minute, an hour or a day.
        period: Duration,
    },
}

/// Why a text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a rate; write a whole number from 1 and a unit, such as \"100/s\", \"20/m\", \"5/h\", \"1000/d\", or \"off\""
)]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let wrong = || RateError(text.to_owned());
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let count = count.trim().parse::<NonZeroU32>().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(wrong()),
        };
        Ok(Self::Limit {
            count,
            period: Duration::from_secs(seconds),
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Limit { count, period } = self else {
            return f.write_str("off");
        };
        let unit = match period.as_secs() {
            1 => "s",
            60 => "m",
            3600 => "h",
            _ => "d",
        };
        write!(f, "{count}/{unit}")
    }
}

crate::as_text!(Rate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_back_as_they_were_written() {
        for text in ["100/s", "20/m", "5/h", "1000/d", "off"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "0/s",
            "10",
            "10/w",
            "-1/s",
            "1.5/s",
            "Off",
            "/s",
            "99999999999/s",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}

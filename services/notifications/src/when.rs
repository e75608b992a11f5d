//! Times of day in a person's time zone: quiet hours, and when digests are due. Right across changes of daylight saving.

use jiff::{
    Span, ToSpan,
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase},
};
use stoa_kernel::Timestamp;

/// The minute of the day at which daily digests come unless somebody has chosen another.
pub(crate) const EIGHT: i64 = 8 * 60;

/// From one time of day to another, over midnight where the end is before the beginning. Minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuietHours {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// The zone of this name; UTC where there is none.
pub(crate) fn zone(name: Option<&str>) -> TimeZone {
    let found = name.and_then(|name| TimeZoneDatabase::bundled().get(name).ok());
    found.unwrap_or(TimeZone::UTC)
}

impl QuietHours {
    /// When they end, if it is within them now.
    pub(crate) fn end(self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(now);
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let over_midnight = self.from > self.until;
        let (before_end, after_start) = (minute < self.until, minute >= self.from);
        let is_quiet = if over_midnight {
            before_end || after_start
        } else {
            before_end && after_start
        };
        let date = match over_midnight && after_start {
            true => local.date().checked_add(1.day()).ok()?,
            false => local.date(),
        };
        is_quiet
            .then(|| first_after(now, date, self.until, zone))
            .flatten()
    }
}

/// When a digest of every hour is due next.
pub(crate) fn next_hour(now: Timestamp) -> Timestamp {
    let hours = now.as_second().div_euclid(3600) + 1;
    Timestamp::from_second(hours * 3600).unwrap_or(Timestamp::MAX)
}

/// When a digest of every day is due next: at this minute of the day.
pub(crate) fn next_day(now: Timestamp, minute: i64, zone: &TimeZone) -> Timestamp {
    let today = zone.to_datetime(now).date();
    let mut dates = (0..3_i64).filter_map(|days| today.checked_add(Span::new().days(days)).ok());
    let next = dates.find_map(|date| {
        let at = zone.to_timestamp(at(date, minute)?).ok()?;
        (at > now).then_some(at)
    });
    next.unwrap_or_else(|| next_hour(now))
}

/// The first time after `now` at which clocks there show this minute of this date, or have just jumped over it.
fn first_after(now: Timestamp, date: Date, minute: i64, zone: &TimeZone) -> Option<Timestamp> {
    let wall = at(date, minute)?;
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.compatible().ok(),
        // The hour comes twice.
        AmbiguousOffset::Fold { .. } => {
            let earlier = ambiguous.earlier().ok()?;
            if earlier > now {
                Some(earlier)
            } else {
                ambiguous.later().ok()
            }
        }
        // The hour does not come: clocks are put forward over it.
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next().map(|jump| jump.timestamp())
        }
    }
}

fn at(date: Date, minute: i64) -> Option<DateTime> {
    let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
    (hour < 24).then(|| date.at(hour, minute, 0, 0))
}

/// `22:30` as minutes since midnight.
pub(crate) fn minutes(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: i64| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<i64>().ok().filter(|_| plain)?;
        (number < below).then_some(number)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

/// Minutes since midnight as `22:30`.
pub(crate) fn clock(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn quiet(from: &str, until: &str) -> QuietHours {
        QuietHours {
            from: minutes(from).unwrap(),
            until: minutes(until).unwrap(),
        }
    }

    #[test]
    fn hours_over_midnight_end_in_the_morning() {
        let zone = zone(Some("Europe/Zurich"));
        let hours = quiet("22:00", "07:00");
        for (now, end) in [
            ("2026-11-28T20:59:59Z", None),
            ("2026-11-28T21:00:00Z", Some("2026-11-29T06:00:00Z")),
            ("2026-11-29T05:59:59Z", Some("2026-11-29T06:00:00Z")),
            ("2026-11-29T06:00:00Z", None),
            ("2026-11-29T12:00:00Z", None),
        ] {
            assert_eq!(hours.end(time(now), &zone), end.map(time), "{now}");
        }
        let lunch = quiet("12:00", "13:30");
        assert_eq!(
            lunch.end(time("2026-11-28T11:15:00Z"), &zone),
            Some(time("2026-11-28T12:30:00Z"))
        );
        assert_eq!(lunch.end(time("2026-11-28T13:00:00Z"), &zone), None);
    }

    #[test]
    fn hours_end_right_when_clocks_are_put_forward_and_back() {
        let zone = zone(Some("Europe/Zurich"));
        // On 2026-03-29 it is never 02:30: clocks jump from 02:00 to 03:00 at 01:00 UTC.
        let hours = quiet("23:00", "02:30");
        assert_eq!(
            hours.end(time("2026-03-29T00:30:00Z"), &zone),
            Some(time("2026-03-29T01:00:00Z"))
        );
        assert_eq!(hours.end(time("2026-03-29T01:00:00Z"), &zone), None);
        // On 2026-10-25 it is 02:30 twice, at 00:30 and at 01:30 UTC.
        assert_eq!(
            hours.end(time("2026-10-25T00:10:00Z"), &zone),
            Some(time("2026-10-25T00:30:00Z"))
        );
        assert_eq!(hours.end(time("2026-10-25T00:40:00Z"), &zone), None);
        assert_eq!(
            hours.end(time("2026-10-25T01:10:00Z"), &zone),
            Some(time("2026-10-25T01:30:00Z"))
        );
        // The night is an hour shorter, or longer.
        let night = quiet("22:00", "07:00");
        assert_eq!(
            night.end(time("2026-03-28T22:00:00Z"), &zone),
            Some(time("2026-03-29T05:00:00Z"))
        );
        assert_eq!(
            night.end(time("2026-10-24T22:00:00Z"), &zone),
            Some(time("2026-10-25T06:00:00Z"))
        );
    }

    /// Minute by minute through both changes of a year, in zones with odd ones: quiet until the end, and not quiet then.
    #[test]
    fn the_end_is_the_first_minute_that_is_not_quiet() {
        for name in [
            "Europe/Zurich",
            "America/New_York",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "America/Nuuk",
        ] {
            let zone = zone(Some(name));
            for hours in [
                quiet("22:00", "02:15"),
                quiet("01:30", "02:30"),
                quiet("23:45", "00:15"),
                quiet("02:10", "01:50"),
            ] {
                for start in [
                    "2026-03-07T20:00:00Z",
                    "2026-03-28T20:00:00Z",
                    "2026-04-04T10:00:00Z",
                    "2026-10-03T10:00:00Z",
                    "2026-10-24T20:00:00Z",
                    "2026-10-31T20:00:00Z",
                ] {
                    let mut now = time(start);
                    for _ in 0..(15 * 60) {
                        if let Some(end) = hours.end(now, &zone) {
                            assert!(end > now, "{name} {hours:?} {now}");
                            assert_eq!(hours.end(end, &zone), None, "{name} {hours:?} {now}");
                            let before = end.checked_sub(SignedDuration::from_secs(60)).unwrap();
                            assert!(
                                before < now || hours.end(before, &zone).is_some(),
                                "{name} {hours:?} {now}"
                            );
                        }
                        now = now.checked_add(SignedDuration::from_secs(60)).unwrap();
                    }
                }
            }
        }
    }

    #[test]
    fn a_digest_comes_every_hour_or_every_day_at_its_time() {
        assert_eq!(
            next_hour(time("2026-11-28T10:00:00Z")),
            time("2026-11-28T11:00:00Z")
        );
        assert_eq!(
            next_hour(time("2026-11-28T10:59:59.9Z")),
            time("2026-11-28T11:00:00Z")
        );
        let zone = zone(Some("Europe/Zurich"));
        let at = |now: &str, text: &str| next_day(time(now), minutes(text).unwrap(), &zone);
        assert_eq!(at("2026-11-28T06:59:00Z", "08:00"), time("2026-11-28T07:00:00Z"));
        assert_eq!(at("2026-11-28T07:00:00Z", "08:00"), time("2026-11-29T07:00:00Z"));
        // The day of the change has 23 hours, and has no 02:30.
        assert_eq!(at("2026-03-28T07:00:00Z", "08:00"), time("2026-03-29T06:00:00Z"));
        assert_eq!(at("2026-03-28T12:00:00Z", "02:30"), time("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        assert_eq!(minutes("22:30"), Some(1350));
        assert_eq!(clock(1350), "22:30");
        for wrong in [
            "", "24:00", "12:60", "1:30", "12:3", "12", "+1:30", "12:30:00", "ab:cd",
        ] {
            assert_eq!(minutes(wrong), None, "{wrong}");
        }
    }
}

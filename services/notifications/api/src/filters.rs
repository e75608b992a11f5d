//! Filters of templates, by which times and roles are said in the language of the text: in German, and in English for all others. What
//! templates of other services may count on, so the stand-in for tests has them too.

use std::str::FromStr as _;

use jiff::tz::TimeZone;
use minijinja::{Environment, State, Value};
use stoa_kernel::Timestamp;

const MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// Adds them: `duration`, `date_time`, `role_name`.
pub fn add(env: &mut Environment<'static>) {
    env.add_filter(
        "duration",
        |state: &State<'_, '_>, seconds: Value| match u64::try_from(seconds.clone()) {
            Ok(seconds) => duration(seconds, is_german(state)),
            Err(_) => seconds.to_string(),
        },
    );
    env.add_filter("date_time", |state: &State<'_, '_>, time: String| {
        date_time(time, is_german(state))
    });
    env.add_filter("role_name", |state: &State<'_, '_>, role: String| {
        role_name(role, is_german(state))
    });
}

fn is_german(state: &State<'_, '_>) -> bool {
    let language = state.lookup("language");
    let language = language.as_ref().and_then(|language| language.as_str());
    language.is_some_and(|tag| tag.split('-').next().unwrap_or(tag).eq_ignore_ascii_case("de"))
}

/// Seconds as "2 days", "1 hour", "90 minutes": rounded up to a minute, in the largest unit that says it exactly.
fn duration(seconds: u64, german: bool) -> String {
    let minutes = seconds.div_ceil(60).max(1);
    let (count, (english_one, english_many), (german_one, german_many)) = match minutes {
        m if m % 1440 == 0 => (m / 1440, ("day", "days"), ("Tag", "Tage")),
        m if m % 60 == 0 => (m / 60, ("hour", "hours"), ("Stunde", "Stunden")),
        m => (m, ("minute", "minutes"), ("Minute", "Minuten")),
    };
    let unit = match (count, german) {
        (1, false) => english_one,
        (_, false) => english_many,
        (1, true) => german_one,
        (_, true) => german_many,
    };
    format!("{count} {unit}")
}

/// A time of RFC 3339 as "1 May 2026, 12:00 UTC". What is no time stays as it is.
fn date_time(time: String, german: bool) -> String {
    let Ok(parsed) = Timestamp::from_str(&time) else {
        return time;
    };
    let at = parsed.to_zoned(TimeZone::UTC);
    let month = usize::try_from(at.month() - 1)
        .ok()
        .and_then(|month| MONTHS.get(month));
    match month.filter(|_| german) {
        Some(month) => {
            let (day, year) = (at.day(), at.year());
            format!(
                "{day}. {month} {year} um {:02}:{:02} Uhr UTC",
                at.hour(),
                at.minute()
            )
        }
        None => at.strftime("%-d %B %Y, %H:%M UTC").to_string(),
    }
}

/// A role in an organization, by the name that it has in the API. What is no role stays as it is.
fn role_name(role: String, german: bool) -> String {
    match (role.as_str(), german) {
        ("owner", true) => "Inhaber".to_owned(),
        ("admin", true) => "Administrator".to_owned(),
        ("member", true) => "Mitglied".to_owned(),
        ("guest", true) => "Gast".to_owned(),
        _ => role,
    }
}

#[cfg(test)]
mod tests {
    use stoa_kernel::OrganizationRole;

    use super::*;

    #[test]
    fn lengths_of_time_are_in_the_largest_unit_that_says_them_exactly() {
        let words = |minutes: u64| (duration(minutes * 60, false), duration(minutes * 60, true));
        for (minutes, english, german) in [
            (0, "1 minute", "1 Minute"),
            (1, "1 minute", "1 Minute"),
            (60, "1 hour", "1 Stunde"),
            (90, "90 minutes", "90 Minuten"),
            (1440, "1 day", "1 Tag"),
            (2880, "2 days", "2 Tage"),
        ] {
            assert_eq!(words(minutes), (english.to_owned(), german.to_owned()));
        }
    }

    #[test]
    fn times_are_said_in_utc() {
        let time = |german| date_time("2026-03-01T23:05:00-01:00".to_owned(), german);
        assert_eq!(time(false), "2 March 2026, 00:05 UTC");
        assert_eq!(time(true), "2. März 2026 um 00:05 Uhr UTC");
        assert_eq!(date_time("soon".to_owned(), true), "soon");
    }

    #[test]
    fn every_role_has_a_german_name() {
        for role in OrganizationRole::ALL {
            assert_ne!(role_name(role.name().to_owned(), true), role.name());
            assert_eq!(role_name(role.name().to_owned(), false), role.name());
        }
        assert_eq!(role_name("janitor".to_owned(), true), "janitor");
    }
}

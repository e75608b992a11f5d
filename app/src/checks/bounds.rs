//! How small and how large a number or a length of time may be.

use std::time::Duration;

use stoa_config::Settings;
use stoa_kernel::Period;

use super::Problems;

/// Longer than anything is kept. What lies further ahead than dates go cannot be reckoned with.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// What may be nothing: no time, or none of it.
const MAY_BE_ZERO: [&str; 13] = [
    "server.drain",
    "server.shutdown_grace",
    "bus.max_mib",
    "gateway.body_rate",
    "gateway.compress_from",
    "gateway.cors.max_age",
    "gateway.upstream.retries",
    "gateway.upstream.retry_budget",
    "telemetry.trace_ratio",
    "users.preferences_max",
    "auth.refresh_leeway",
    "audit.keep",
    "audit.heads_every",
];
/// The least and the most of numbers that not just anything from 1 on will do for.
const NUMBERS: [(&str, i64, i64); 13] = [
    ("database.connections", 1, 1000),
    ("events.concurrency", 1, 10_000),
    ("cache.max_mib", 1, 1024 * 1024),
    ("outbound.concurrency", 1, 100_000),
    ("gateway.max_body", 1, 1024 * 1024 * 1024),
    ("gateway.max_header", 1024, 1024 * 1024),
    ("auth.password.lanes", 1, 1024),
    ("users.avatar_max_pixels", 1, 16_384),
    ("users.avatar_size", 1, 2048),
    ("users.avatar_max_bytes", 1, 1024 * 1024 * 1024),
    ("auth.organizations.picture_max_pixels", 1, 16_384),
    ("auth.organizations.picture_size", 1, 2048),
    ("auth.organizations.picture_max_bytes", 1, 1024 * 1024 * 1024),
];
/// The least of lengths of time that not just any will do for.
const PERIODS: [(&str, Duration); 10] = [
    ("events.deadline", Duration::from_secs(1)),
    ("events.lease", Duration::from_secs(1)),
    ("events.poll", Duration::from_millis(10)),
    ("gateway.upstream.check_every", Duration::from_millis(10)),
    ("gateway.upstream.resolve_every", Duration::from_millis(10)),
    ("auth.access_token_lifetime", Duration::from_secs(1)),
    ("auth.refresh_token_lifetime", Duration::from_secs(1)),
    ("auth.reset_token_lifetime", Duration::from_secs(1)),
    ("auth.verify_token_lifetime", Duration::from_secs(1)),
    ("storage.upload_abandoned", Duration::from_secs(1)),
];

/// Looks at every setting that is a number or a length of time: from 1 and 1 ms on, unless a list here says otherwise.
pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    settings.each(|key, value, default| {
        let found = match value {
            toml::Value::Integer(number) => number_of(key, *number),
            toml::Value::String(text) if is_period(default) => period_of(key, text),
            _ => Ok(()),
        };
        if let Err(problem) = found {
            problems.of_setting(key, problem);
        }
    });
}

fn number_of(key: &str, number: i64) -> Result<(), String> {
    let listed = NUMBERS.iter().find(|(name, ..)| is(key, name));
    let (_, least, most) = listed.copied().unwrap_or(("", least(key), i64::MAX));
    match number {
        _ if number < least => Err(format!("{key} is {number} and must be at least {least}")),
        _ if number > most => Err(format!("{key} is {number} and must be at most {most}")),
        _ => Ok(()),
    }
}

fn least(key: &str) -> i64 {
    i64::from(!MAY_BE_ZERO.iter().any(|name| is(key, name)))
}

fn period_of(key: &str, text: &str) -> Result<(), String> {
    // What is no length of time is told where its section is read.
    let Ok(Period(period)) = text.parse() else {
        return Ok(());
    };
    let listed = PERIODS.iter().find(|(name, _)| is(key, name));
    let least = match listed {
        Some((_, least)) => *least,
        None if least(key) == 0 => Duration::ZERO,
        None => Duration::from_millis(1),
    };
    if period < least {
        return Err(format!(
            "{key} is \"{text}\" and must be at least \"{}\"",
            Period(least)
        ));
    }
    if period > LONGEST {
        return Err(format!("{key} is \"{text}\" and must be at most a hundred years"));
    }
    Ok(())
}

/// Whether `key` is the setting `name`, or the same of a service for itself alone: `auth.database.wait`.
fn is(key: &str, name: &str) -> bool {
    key.strip_suffix(name)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn is_period(default: &toml::Value) -> bool {
    default
        .as_str()
        .is_some_and(|text| text.parse::<Period>().is_ok())
}

//! Values: their types, how the environment writes them, and how they are shown.

use toml::Value;

/// The type of a setting, in words.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// `value` as a setting whose default is `default`; or what was expected instead.
pub(crate) fn fit(value: Value, default: &Value) -> Result<Value, String> {
    match (value, default) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "who writes such a number means about that much"
        )]
        (Value::Integer(number), Value::Float(_)) => Ok(Value::Float(number as f64)),
        (Value::Array(items), Value::Array(defaults)) => {
            // A list that is empty by default is one of texts.
            let like = defaults
                .first()
                .cloned()
                .unwrap_or_else(|| Value::String(String::new()));
            let expected = || format!("a list of {}", plural(&like));
            items
                .into_iter()
                .map(|item| fit(item, &like).map_err(|_| expected()))
                .collect::<Result<_, _>>()
                .map(Value::Array)
        }
        (value, default) if value.same_type(default) => Ok(value),
        _ => Err(type_name(default).to_owned()),
    }
}

fn plural(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Float(_) => "numbers",
        Value::String(_) => "texts",
        _ => "such values",
    }
}

/// Reads what the environment says for a setting whose default is `default`; or what was expected instead.
pub(crate) fn read(text: &str, default: &Value) -> Result<Value, String> {
    let expected = || type_name(default).to_owned();
    let trimmed = text.trim();
    match default {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Integer(_) => trimmed.parse().map(Value::Integer).map_err(|_| expected()),
        Value::Float(_) => trimmed.parse().map(Value::Float).map_err(|_| expected()),
        Value::Boolean(_) => trimmed.parse().map(Value::Boolean).map_err(|_| expected()),
        Value::Array(_) => fit(
            list(trimmed).ok_or_else(|| "a list such as [\"a\", \"b\"] or a, b".to_owned())?,
            default,
        ),
        Value::Datetime(_) | Value::Table(_) => fit(inline(trimmed).ok_or_else(expected)?, default),
    }
}

/// A TOML list, or items parted by commas.
fn list(text: &str) -> Option<Value> {
    if text.starts_with('[') {
        return inline(text).filter(Value::is_array);
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(Value::Array(
        items.map(|item| Value::String(item.to_owned())).collect(),
    ))
}

fn inline(text: &str) -> Option<Value> {
    let line = format!("value = {text}");
    let mut table = line.parse::<toml::Table>().ok()?;
    if table.len() == 1 {
        table.remove("value")
    } else {
        None
    }
}

const MASK: &str = "***";

/// What may stand in the query of a URL and is no secret; the value of everything else there is masked.
const HARMLESS: [&str; 12] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "from",
    "host",
    "messaging_service",
    "per_day",
    "per_minute",
    "port",
    "sslmode",
    "target_session_attrs",
    "tls",
];

/// The value of `key` as it may be shown: secrets are masked.
pub(crate) fn shown(key: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(shown_text(key, text)),
        Value::Array(items) => Value::Array(items.iter().map(|item| shown(key, item)).collect()),
        other => other.clone(),
    }
}

fn shown_text(key: &str, text: &str) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    let secret = ["password", "secret", "token"]
        .iter()
        .any(|word| name.contains(word))
        && !name.ends_with("_lifetime");
    match text.split_once("://") {
        _ if secret && !text.is_empty() => MASK.to_owned(),
        Some((scheme, rest)) => format!("{scheme}://{}", without_secrets(rest)),
        // A URL whose beginning was forgotten.
        None if (name.ends_with("url") || name.ends_with("urls")) && text.contains(['@', '=']) => {
            MASK.to_owned()
        }
        None => text.to_owned(),
    }
}

/// What follows the `://` of a URL, without passwords and tokens. A password may itself contain `/`, `@` or `?` if somebody
/// forgot to encode it: what cannot be told apart is masked as a whole.
fn without_secrets(rest: &str) -> String {
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    if query.is_some_and(|query| query.contains('@')) {
        return MASK.to_owned();
    }
    let (user, host) = match place.rsplit_once('@') {
        Some((user, host)) => (shown_user(user), host),
        None => (String::new(), place),
    };
    let host = host
        .split_once('#')
        .map_or_else(|| host.to_owned(), |(host, _)| format!("{host}#{MASK}"));
    let query = query
        .map(|query| format!("?{}", shown_query(query)))
        .unwrap_or_default();
    format!("{user}{host}{query}")
}

/// A name in front of a password is shown; without a password the name may itself be a token.
fn shown_user(user: &str) -> String {
    match user.split_once(':') {
        Some((name, _)) => format!("{name}:{MASK}@"),
        None => format!("{MASK}@"),
    }
}

fn shown_query(query: &str) -> String {
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if HARMLESS.contains(&name) && !pair.contains('#') => pair.to_owned(),
        Some((name, _)) => format!("{name}={MASK}"),
        None => MASK.to_owned(),
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn the_environment_is_read_by_the_type_of_the_default() {
        let list = |items: &[&str]| Value::Array(items.iter().map(|item| text(item)).collect());
        for (given, default, value) in [
            (" as it is ", text(""), text(" as it is ")),
            ("12", text(""), text("12")),
            (" 12 ", Value::Integer(0), Value::Integer(12)),
            ("-3", Value::Integer(0), Value::Integer(-3)),
            ("1", Value::Float(0.5), Value::Float(1.0)),
            ("0.25", Value::Float(0.5), Value::Float(0.25)),
            ("true", Value::Boolean(false), Value::Boolean(true)),
            ("[\"a, b\", 'c']", list(&[]), list(&["a, b", "c"])),
            ("a, b ,c", list(&["x"]), list(&["a", "b", "c"])),
            ("", list(&["x"]), list(&[])),
            ("[]", list(&["x"]), list(&[])),
        ] {
            assert_eq!(read(given, &default), Ok(value), "{given:?}");
        }
    }

    #[test]
    fn what_does_not_fit_says_what_was_expected() {
        for (given, default, expected) in [
            ("2MB", Value::Integer(0), "a whole number"),
            ("1.5", Value::Integer(0), "a whole number"),
            ("yes", Value::Boolean(false), "true or false"),
            ("much", Value::Float(0.0), "a number"),
            ("[1, 2]", Value::Array(vec![]), "a list of texts"),
            (
                "[\"a\"",
                Value::Array(vec![]),
                "a list such as [\"a\", \"b\"] or a, b",
            ),
            (
                "[]\nother = 1",
                Value::Array(vec![]),
                "a list such as [\"a\", \"b\"] or a, b",
            ),
        ] {
            assert_eq!(read(given, &default), Err(expected.to_owned()), "{given:?}");
        }
    }

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        for (key, value, masked) in [
            (
                "mail.url",
                "smtp://ada:s3cret@mx.example:587",
                "smtp://ada:***@mx.example:587",
            ),
            (
                "mail.url",
                "smtp://ada:s3/c@ret@mx.example",
                "smtp://ada:***@mx.example",
            ),
            ("mail.url", "smtp://mx.example:587", "smtp://mx.example:587"),
            (
                "mail.url",
                "sendgrid://:SG.s3cret@api.sendgrid.com?per_minute=60&per_day=100",
                "sendgrid://:***@api.sendgrid.com?per_minute=60&per_day=100",
            ),
            (
                "sms.url",
                "twilio://AC1:s3cret@api.twilio.com?from=+15005550006",
                "twilio://AC1:***@api.twilio.com?from=+15005550006",
            ),
            (
                "database.replica",
                "postgres://stoa:s3cret@db/stoa",
                "postgres://stoa:***@db/stoa",
            ),
            (
                "bus.url",
                "nats://t0ken@mx.example:4222",
                "nats://***@mx.example:4222",
            ),
            ("cache.url", "redis://:s3cret@db:6379/0", "redis://:***@db:6379/0"),
            (
                "database.url",
                "postgres://db/stoa?user=stoa&password=s3cret&sslmode=require",
                "postgres://db/stoa?user=***&password=***&sslmode=require",
            ),
            (
                "database.url",
                "postgres://db/stoa?pass%77ord=s3cret",
                "postgres://db/stoa?pass%77ord=***",
            ),
            (
                "database.url",
                "postgres://db/stoa?password=s3@cret",
                "postgres://***",
            ),
            (
                "database.url",
                "postgres://stoa:s3?cr@et@db/stoa",
                "postgres://***",
            ),
            (
                "database.url",
                "postgres://db/stoa#s3cret",
                "postgres://db/stoa#***",
            ),
            ("database.url", "stoa:s3cret@db/stoa", "***"),
            ("database.url", "host=db password=s3cret", "***"),
            (
                "telemetry.otlp_endpoint",
                "http://s3cret@collector:4317",
                "http://***@collector:4317",
            ),
            (
                "gateway.grpc_upstreams",
                "shop.v1.Orders http://u:s3cret@a:1",
                "shop.v1.Orders http://u:***@a:1",
            ),
            ("auth.client_secret", "s3cret", "***"),
            ("auth.client_secret", "", ""),
            ("auth.password", "s3cret", "***"),
            ("ai.token", "s3cret", "***"),
            ("auth.access_token_lifetime", "1h", "1h"),
            ("mail.from", "Stoa <stoa@localhost>", "Stoa <stoa@localhost>"),
        ] {
            assert_eq!(shown(key, &text(value)), text(masked), "{key} {value}");
        }
        let list = |item: &str| Value::Array(vec![text(item)]);
        assert_eq!(
            shown("mail.fallback_urls", &list("ada:s3cret@mx.example")),
            list("***")
        );
        assert_eq!(
            shown("rpc.upstreams.auth", &list("http://stoa:s3cret@a:1")),
            list("http://stoa:***@a:1")
        );
        assert_eq!(
            shown("auth.password_length", &Value::Integer(8)),
            Value::Integer(8)
        );
    }
}

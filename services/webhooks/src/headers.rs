//! Headers of their own that owners have sent along, such as `Authorization`.

use std::collections::BTreeMap;

use stoa_outbound::{HeaderMap, HeaderName, HeaderValue};

/// Headers of one endpoint at most, and the longest name and value, in bytes.
pub(crate) const MOST: usize = 20;
const NAME: usize = 64;
const VALUE: usize = 1024;

/// Names that are not the owner's: of the connection, of what the request is made of, and of the signature.
const TAKEN: [&str; 20] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "te",
    "trailer",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
const TAKEN_PREFIXES: [&str; 6] = ["webhook-", "svix-", "proxy-", "sec-", "x-forwarded-", ":"];

/// Custom headers by their names, in lower case.
pub(crate) type Headers = BTreeMap<String, String>;

/// The headers as they are sent.
///
/// # Errors
/// The name at fault, a code and a message.
pub(crate) fn checked(given: &Headers) -> Result<Headers, (String, &'static str, String)> {
    if given.len() > MOST {
        return Err((
            String::new(),
            "too_long",
            format!("At most {MOST} headers are kept"),
        ));
    }
    let mut headers = Headers::new();
    for (name, value) in given {
        let wrong = |code, message: String| Err((name.clone(), code, message));
        let lower = name.to_ascii_lowercase();
        if lower.len() > NAME || HeaderName::from_bytes(lower.as_bytes()).is_err() {
            return wrong("format", format!("A name has 1 to {NAME} letters, digits and -"));
        }
        if TAKEN.contains(&lower.as_str()) || TAKEN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            return wrong("reserved", "This header cannot be set".to_owned());
        }
        let visible = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if value.len() > VALUE || !visible || value.trim() != value {
            return wrong(
                "format",
                format!("A value has at most {VALUE} characters of ASCII"),
            );
        }
        if headers.insert(lower, value.clone()).is_some() {
            return wrong("duplicate", "This header is given twice".to_owned());
        }
    }
    Ok(headers)
}

/// For a request.
pub(crate) fn as_map(headers: &Headers) -> HeaderMap {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> Option<&'static str> {
        let given = Headers::from([(name.to_owned(), value.to_owned())]);
        checked(&given).err().map(|(_, code, _)| code)
    }

    #[test]
    fn headers_that_are_not_the_owners_are_refused() {
        for name in [
            "Host",
            "Content-Length",
            "webhook-signature",
            "Webhook-Id",
            "svix-id",
            "Transfer-Encoding",
            "X-Forwarded-For",
        ] {
            assert_eq!(refused(name, "x"), Some("reserved"), "{name}");
        }
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("x:y", "x"),
            ("x", "a\r\nhost: y"),
            ("x", " x"),
            ("x", "é"),
            ("x\0", "y"),
        ] {
            assert_eq!(refused(name, value), Some("format"), "{name:?} {value:?}");
        }
        assert_eq!(refused("Authorization", "Bearer 123"), None);
        let twice = Headers::from([("A".to_owned(), String::new()), ("a".to_owned(), String::new())]);
        assert_eq!(checked(&twice).unwrap_err().1, "duplicate");
    }
}

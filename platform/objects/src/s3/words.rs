//! What servers answer, in words for whoever has to mend it.

use object_store::Error;

use crate::error::with_causes;

/// What is wrong, by the code that the server gave; else all that is known. No credentials are among it.
pub(crate) fn in_words(error: &Error) -> String {
    let text = with_causes(error);
    let known = match element(&text, "Code") {
        Some("NoSuchBucket") => "the bucket does not exist; make it, or correct objects.url",
        Some("InvalidAccessKeyId") => "the server does not know the key; correct objects.access_key_id",
        Some("SignatureDoesNotMatch") => {
            "the server does not take the signature; correct objects.secret_access_key"
        }
        Some("AccessDenied" | "AllAccessDisabled") => "the key has no right to this bucket",
        Some("ExpiredToken" | "InvalidToken") => "the session token is over or wrong",
        Some("AuthorizationHeaderMalformed") => "the region is wrong; correct objects.region",
        Some("PermanentRedirect") => "the bucket is elsewhere; correct objects.endpoint and objects.region",
        Some("RequestTimeTooSkewed") => "this machine's clock and the server's are too far apart",
        Some(code) => {
            let message = element(&text, "Message").unwrap_or_default();
            return format!("the server says {code}: {message}");
        }
        None => return text,
    };
    known.to_owned()
}

/// The text of the first element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> String {
        in_words(&Error::Generic {
            store: "S3",
            source: body.to_owned().into(),
        })
    }

    #[test]
    fn codes_become_words_and_others_are_passed_on() {
        let signature = "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>x</AWSAccessKeyId></Error>";
        assert!(said(signature).contains("objects.secret_access_key"));
        assert!(!said(signature).contains("AWSAccessKeyId"));
        let other = "<Error><Code>SlowDown</Code><Message>Please</Message></Error>";
        assert_eq!(said(other), "the server says SlowDown: Please");
        assert!(said("connection refused").contains("connection refused"));
    }
}

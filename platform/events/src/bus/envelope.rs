//! Events on the wire: CloudEvents 1.0, structured JSON, the same on every broker.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stoa_kernel::Timestamp;

use crate::{EventId, inbox::Arrival, limits::Parts, store::OutboxRow};

/// The media type of an event.
pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json";
const SPEC_VERSION: &str = "1.0";

#[derive(Serialize, Deserialize)]
struct CloudEvent<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: EventId,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    name: Cow<'a, str>,
    time: Timestamp,
    /// The key whose events keep their order.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The event as it goes to a broker.
pub(crate) fn write(source: &str, event: &OutboxRow) -> Result<Vec<u8>, String> {
    let data: &RawValue =
        serde_json::from_str(&event.data).map_err(|e| format!("its data is no JSON: {e}"))?;
    let envelope = CloudEvent {
        specversion: SPEC_VERSION.into(),
        id: event.id,
        source: source.into(),
        name: event.name.as_str().into(),
        time: event.time,
        subject: Some(event.key.as_str().into()).filter(|key: &Cow<'_, str>| !key.is_empty()),
        datacontenttype: Some("application/json".into()),
        traceparent: event.traceparent.as_deref().map(Cow::from),
        data,
    };
    serde_json::to_vec(&envelope).map_err(|e| e.to_string())
}

/// An event as it came from a broker, or why it cannot be one. Whatever it says, a database can keep it.
pub(crate) fn read(body: &[u8]) -> Result<Arrival<'_>, String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("not UTF-8: {e}"))?;
    let event: CloudEvent<'_> =
        serde_json::from_str(text).map_err(|e| format!("no CloudEvent in JSON: {e}"))?;
    if event.specversion != SPEC_VERSION {
        return Err(format!("specversion is {:?}, not \"1.0\"", event.specversion));
    }
    let texts = [
        Some(&event.source),
        Some(&event.name),
        event.subject.as_ref(),
        event.traceparent.as_ref(),
    ];
    if texts.into_iter().flatten().any(|text| text.contains('\0')) {
        return Err("a NUL stands in an attribute".to_owned());
    }
    Parts {
        name: &event.name,
        key: event.subject.as_deref(),
        source: &event.source,
        traceparent: event.traceparent.as_deref(),
    }
    .check()?;
    if event.time < Timestamp::UNIX_EPOCH {
        return Err(format!("its time, {}, is before 1970", event.time));
    }
    Ok(Arrival {
        id: event.id,
        name: event.name,
        key: event.subject,
        data: event.data.get(),
        source: event.source,
        time: event.time,
        traceparent: event.traceparent,
    })
}

#[cfg(test)]
mod tests {
    use stoa_kernel::{Clock, Id};

    use super::*;

    #[test]
    fn what_is_written_is_read_again_to_the_letter() {
        let clock = Clock::system();
        let event = OutboxRow {
            id: Id::new(&clock),
            name: "user.registered".to_owned(),
            key: "user:\"ü\"\n".to_owned(),
            data: r#"{"a": 1.10, "b":"\u0000\ud83d\ude00"}"#.to_owned(),
            time: clock.now(),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        };
        let body = write("auth", &event).unwrap();
        let read = read(&body).unwrap();
        assert_eq!((read.id, read.name.as_ref()), (event.id, "user.registered"));
        assert_eq!((read.data, read.time), (event.data.as_str(), event.time));
        assert_eq!(read.key.as_deref(), Some(event.key.as_str()));
        assert_eq!(read.source, "auth");
        assert_eq!(read.traceparent.as_deref(), event.traceparent.as_deref());
    }

    #[test]
    fn what_is_no_event_is_refused_with_words() {
        let whole = r#"{"specversion":"1.0","id":"0197a1b2-0000-7000-8000-000000000000","source":"x","type":"a.b","time":"2026-01-01T00:00:00Z","data":{}}"#;
        assert!(
            read(whole.as_bytes()).is_ok(),
            "{:?}",
            read(whole.as_bytes()).err()
        );
        for (from, to, word) in [
            ("1.0", "2.0", "specversion"),
            ("0197a1b2-", "", "UUID"),
            (r#","data":{}"#, "", "data"),
            ("a.b", "a\\u0000b", "NUL"),
            ("2026-01-01T", "1066-01-01T", "before 1970"),
            ("{\"spec", "[\"spec", "CloudEvent"),
        ] {
            let refusal = read(whole.replace(from, to).as_bytes()).err().unwrap();
            assert!(refusal.contains(word), "{refusal}");
        }
        let long = "x".repeat(513);
        for (from, to, word) in [
            ("a.b", &long[..129], "name has 129 bytes, and 128"),
            (
                r#""source":"x""#,
                &format!(r#""source":"{long}""#),
                "source has 513",
            ),
            (
                r#""data""#,
                &format!(r#""subject":"{long}","data""#),
                "key has 513 bytes, and 512",
            ),
            (
                r#""data""#,
                &format!(r#""traceparent":"{long}","data""#),
                "traceparent has",
            ),
        ] {
            let refusal = read(whole.replace(from, to).as_bytes()).err().unwrap();
            assert!(refusal.contains(word), "{refusal}");
        }
        assert!(read(&[0xff, 0xfe]).err().unwrap().contains("UTF-8"));
    }
}

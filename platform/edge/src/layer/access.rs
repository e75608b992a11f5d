//! The line that is written for each request, as JSON, without any formatter in between.

use std::{io::Write, time::Duration};

use http::{Method, StatusCode};
use serde::Serialize;
use stoa_http::RequestInfo;
use stoa_kernel::{Timestamp, UserId};

use super::identity::trace_id;

/// Longest path and user agent that are logged, in bytes.
const MAX_TEXT: usize = 256;

/// What is told of a request. Never a query, a header but the user agent, a body, or a token.
pub(super) struct Line<'a> {
    pub(super) time: Timestamp,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) route: &'a str,
    pub(super) info: &'a RequestInfo,
    pub(super) user: Option<UserId>,
    pub(super) status: StatusCode,
    pub(super) bytes: Option<u64>,
    pub(super) took: Duration,
}

/// One line of JSON with its line feed.
pub(super) fn line(line: &Line<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    // Writing to a vector does not fail.
    let _ = write(&mut out, line);
    out
}

fn write(out: &mut Vec<u8>, line: &Line<'_>) -> std::io::Result<()> {
    // What is not offered is asked for by callers, and says nothing about us.
    let level = if line.status.is_server_error() && line.status != StatusCode::NOT_IMPLEMENTED {
        "ERROR"
    } else {
        "INFO"
    };
    // By hand and not by a format: it is made for every request, and most of it is copied as it stands.
    out.extend_from_slice(br#"{"time":""#);
    write!(out, "{}", line.time)?;
    // Plain: the request's id was checked, the others are of our own making.
    for part in [
        r#"","level":""#,
        level,
        r#"","target":"access","request_id":""#,
        &line.info.request_id,
        r#"","trace_id":""#,
        trace_id(&line.info.traceparent),
        r#"","method":"#,
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    text(out, line.method.as_str())?;
    out.extend_from_slice(br#","path":"#);
    text(out, line.path)?;
    out.extend_from_slice(br#","route":"#);
    text(out, line.route)?;
    json(out, r#","status":"#, line.status.as_u16())?;
    let took = u64::try_from(line.took.as_micros()).unwrap_or(u64::MAX);
    json(out, r#","duration_us":"#, took)?;
    if let Some(bytes) = line.bytes {
        json(out, r#","bytes":"#, bytes)?;
    }
    write!(out, r#","address":"{}""#, line.info.address)?;
    if let Some(user) = line.user {
        json(out, r#","user_id":"#, user)?;
    }
    if let Some(agent) = &line.info.user_agent {
        out.extend_from_slice(br#","user_agent":"#);
        text(out, agent)?;
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

fn json(out: &mut Vec<u8>, name: &str, value: impl Serialize) -> std::io::Result<()> {
    out.extend_from_slice(name.as_bytes());
    value
        .serialize(&mut serde_json::Serializer::new(out))
        .map_err(std::io::Error::from)
}

/// A JSON string, cut where it is too long.
fn text(out: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    text.serialize(&mut serde_json::Serializer::new(out))
        .map_err(std::io::Error::from)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stoa_http::RequestFacts;

    use super::*;

    #[test]
    fn whatever_a_caller_sends_it_is_one_line_of_json() {
        let info = RequestInfo(Arc::new(RequestFacts {
            request_id: "id".into(),
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into(),
            address: "2001:db8::1".parse().unwrap(),
            user_agent: Some(format!("\"\n\u{1}{}", "ü".repeat(500))),
            secure: false,
        }));
        let of = |status| {
            line(&Line {
                time: "2026-01-02T03:04:05.000006Z".parse().unwrap(),
                method: &Method::GET,
                path: "/a\"b\\",
                route: "/{x}",
                info: &info,
                user: None,
                status,
                bytes: Some(7),
                took: Duration::from_micros(1234),
            })
        };
        let bytes = of(StatusCode::BAD_GATEWAY);
        let (last, rest) = bytes.split_last().unwrap();
        assert!(*last == b'\n' && !rest.contains(&b'\n'));
        let json: serde_json::Value = serde_json::from_slice(rest).unwrap();
        assert_eq!(json["time"], "2026-01-02T03:04:05.000006Z");
        assert_eq!(
            (json["level"].as_str(), json["status"].as_u64()),
            (Some("ERROR"), Some(502))
        );
        assert_eq!(
            (json["path"].as_str(), json["duration_us"].as_u64()),
            (Some("/a\"b\\"), Some(1234))
        );
        assert_eq!(json["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(json["user_agent"].as_str().unwrap().len() <= MAX_TEXT);
        assert!(json.get("user_id").is_none());
        let asked: serde_json::Value = serde_json::from_slice(&of(StatusCode::NOT_IMPLEMENTED)).unwrap();
        assert_eq!(
            (asked["level"].as_str(), asked["status"].as_u64()),
            (Some("INFO"), Some(501))
        );
    }
}

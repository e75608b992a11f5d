//! JSON bodies, in and out.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use garde::Validate;
use http::{HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use crate::{Failure, Result, body, codes, input, validation};

/// Headers that an answer has in the end, with those that the edge adds: made room for once.
const HEADERS: usize = 16;

/// Objects and lists within each other that are taken. Many parsers read 127: what is kept of an input goes out again within a few more.
pub const MAX_DEPTH: usize = 100;

/// A JSON body: media type checked, unknown fields refused (types carry `#[serde(deny_unknown_fields)]`), then
/// validated by `garde`. Every wrong field is listed. As a response it is plain JSON.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        if !body::media_type(request.headers()).eq_ignore_ascii_case("application/json") {
            return Err(Failure::new(codes::UNSUPPORTED_MEDIA_TYPE).detail("Send application/json."));
        }
        let bytes = body::read(request).await?;
        let value = parse(&bytes)?;
        validation::check(&value)?;
        Ok(Self(value))
    }
}

/// Refuses JSON that no service takes, before it is read: nested more than [`MAX_DEPTH`] deep, or with a NUL. What is no JSON may pass.
///
/// # Errors
/// 400, 422.
pub fn check_json(text: &str) -> Result<()> {
    if depth(text) > MAX_DEPTH {
        let detail = format!(
            "The JSON is nested too deeply: at most {MAX_DEPTH} objects and lists within each other."
        );
        return Err(Failure::new(codes::MALFORMED).detail(detail));
    }
    refuse_nul(text)
}

/// How many objects and lists are within each other, at most.
fn depth(text: &str) -> usize {
    // Most texts have too few of them to be nested deeply.
    let count = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if count <= MAX_DEPTH {
        return count;
    }
    let (mut now, mut most) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Failure::new(codes::MALFORMED).detail(format!("The body is not UTF-8: {error}.")))?;
    // RFC 8259, 8.1: what begins with a byte order mark may be read nonetheless.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_json(text)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer);
    // serde would take a list of values for a struct, in the order of its fields.
    let list_for_object = text.trim_start().starts_with('[') && input::wants_object::<T>();
    let value = match value {
        Err(error) if error.inner().classify() != Category::Data => return Err(malformed(error.inner())),
        _ if list_for_object => return Err(Failure::invalid("", "wrong_type", "Expected an object")),
        Err(error) => return Err(input::refusal(&error)),
        Ok(value) => value,
    };
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Failure {
    Failure::new(codes::MALFORMED).detail(format!("The body is not JSON: {error}."))
}

/// In JSON a NUL can only be written as an escape; so nearly every body is passed by one search.
fn refuse_nul(text: &str) -> Result<()> {
    if !text.contains("\\u0000") {
        return Ok(());
    }
    // That it is no JSON at all is said where it is read.
    let found = serde_json::from_str(text)
        .ok()
        .and_then(|value| input::find_nul(&value));
    found.map_or(Ok(()), |field| Err(input::nul(field)))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut bytes = Vec::with_capacity(256);
        if let Err(error) = serde_json::to_writer(&mut bytes, &self.0) {
            return Failure::internal(error).into_response();
        }
        let mut response = Response::new(Body::from(Bytes::from(bytes)));
        response.headers_mut().reserve(HEADERS);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

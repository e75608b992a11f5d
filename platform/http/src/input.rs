//! What is wrong with an input, told by field: serde's refusals and NUL characters.

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};
use serde_json::Value;

use crate::{Failure, codes};

/// What serde says of input that can be read but does not fit, as a 422 that names the field.
pub(crate) fn refusal<E: std::fmt::Display>(error: &serde_path_to_error::Error<E>) -> Failure {
    let path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let text = error.inner().to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(text, _)| text);
    describe(&path, text)
}

fn describe(path: &str, text: &str) -> Failure {
    if let Some(name) = quoted(text, "unknown field ") {
        return Failure::invalid(join(path, name), "unknown_field", "Unknown field");
    }
    if let Some(name) = quoted(text, "missing field ") {
        return Failure::invalid(join(path, name), "missing_field", "This field is required");
    }
    if let Some(name) = quoted(text, "duplicate field ") {
        return Failure::invalid(join(path, name), "duplicate_field", "This field is given twice");
    }
    let expected = text
        .split_once(", expected ")
        .map(|(_, expected)| format!("Expected {}", plain(expected)));
    if text.starts_with("invalid type: ") {
        return Failure::invalid(
            path,
            "wrong_type",
            expected.unwrap_or_else(|| "Wrong type".to_owned()),
        );
    }
    Failure::invalid(path, "invalid", expected.unwrap_or_else(|| text.to_owned()))
}

fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.strip_prefix(before)?
        .strip_prefix('`')?
        .split_once('`')
        .map(|(name, _)| name)
}

/// serde's word for what it wanted, without Rust's names of types.
fn plain(expected: &str) -> &str {
    match expected {
        "i8" | "i16" | "i32" | "i64" | "isize" | "i128" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" | "u128" => "a whole number from 0",
        "f32" | "f64" => "a number",
        "a map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        _ if expected.starts_with("struct ") || expected.starts_with("internally tagged enum") => "an object",
        _ => expected,
    }
}

/// `field` below `path`. serde names an unknown field in the path already.
fn join(path: &str, field: &str) -> String {
    if path.is_empty() {
        field.to_owned()
    } else if path == field || path.strip_suffix(field).is_some_and(|rest| rest.ends_with('.')) {
        path.to_owned()
    } else {
        format!("{path}.{field}")
    }
}

/// 422: PostgreSQL keeps no text with U+0000, so nobody may send any.
pub(crate) fn nul(field: impl Into<String>) -> Failure {
    Failure::new(codes::INVALID_INPUT).field(field, "invalid", "The character U+0000 is not accepted")
}

/// Path of the first text, or name of a field, that holds U+0000.
pub(crate) fn find_nul(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| find_nul(item).map(|rest| below(&format!("[{at}]"), &rest))),
        Value::Object(fields) => fields.iter().find_map(|(name, item)| {
            if name.contains('\0') {
                return Some(name.replace('\0', "\u{fffd}"));
            }
            find_nul(item).map(|rest| below(name, &rest))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn below(head: &str, rest: &str) -> String {
    match rest {
        "" => head.to_owned(),
        _ if rest.starts_with('[') => format!("{head}{rest}"),
        _ => format!("{head}.{rest}"),
    }
}

/// Whether `T` is a struct, which in JSON is an object.
pub(crate) fn wants_object<T: DeserializeOwned>() -> bool {
    matches!(T::deserialize(Probe), Err(Wanted::Object))
}

/// Reads nothing, and tells by its error what was wanted.
struct Probe;

#[derive(Debug)]
enum Wanted {
    Object,
    Other,
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Wanted {}

impl de::Error for Wanted {
    fn custom<M: std::fmt::Display>(_: M) -> Self {
        Self::Other
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Wanted;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Wanted> {
        Err(Wanted::Object)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wanted> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wanted> {
        Err(Wanted::Other)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_nul_is_found_wherever_it_hides() {
        let found = |value: Value| find_nul(&value);
        assert_eq!(found(json!({"a": [{"b": "x\0"}]})).as_deref(), Some("a[0].b"));
        assert_eq!(found(json!({"a": [["\0"]]})).as_deref(), Some("a[0][0]"));
        assert_eq!(found(json!({"a": {"x\0": 1}})).as_deref(), Some("a.x\u{fffd}"));
        assert_eq!(found(json!("\0")).as_deref(), Some(""));
        assert_eq!(found(json!({"a": "\\u0000", "b": null})), None);
    }
}

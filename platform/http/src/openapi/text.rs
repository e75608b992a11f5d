//! The description as JSON, with the same text at each run: utoipa keeps the extensions of an operation in no order.

use indexmap::IndexMap;
use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;
use utoipa::openapi::OpenApi;

use super::published;

/// The description as it is published, on one line.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn to_json(openapi: &OpenApi) -> serde_json::Result<String> {
    let text = published(openapi).to_json()?;
    serde_json::to_string(&Ordered(serde_json::from_str(&text)?))
}

/// As [`to_json`], to be read by people.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn to_pretty_json(openapi: &OpenApi) -> serde_json::Result<String> {
    let text = published(openapi).to_json()?;
    serde_json::to_string_pretty(&Ordered(serde_json::from_str(&text)?))
}

/// JSON whose objects keep the order of their members, but for those whose names begin with `x-`: they come last, by name.
struct Ordered<'a>(&'a RawValue);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.get();
        if text.starts_with('{') {
            let mut members: IndexMap<String, &RawValue> =
                serde_json::from_str(text).map_err(S::Error::custom)?;
            members.sort_by_cached_key(|name, _| name.starts_with("x-").then(|| name.clone()));
            serializer.collect_map(members.iter().map(|(name, value)| (name, Ordered(value))))
        } else if text.starts_with('[') {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(S::Error::custom)?;
            serializer.collect_seq(items.into_iter().map(Ordered))
        } else {
            self.0.serialize(serializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_sorted_and_all_else_stays_where_it_is() {
        let text = r#"{"z":1,"y":null,"x-b":[{"x-d":-1,"x-c":1.5}],"x-a":{"b":true,"a":"é"}}"#;
        let sorted = r#"{"z":1,"y":null,"x-a":{"b":true,"a":"é"},"x-b":[{"x-c":1.5,"x-d":-1}]}"#;
        let read = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&Ordered(read)).unwrap(), sorted);
    }
}

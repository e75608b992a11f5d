//! The description as JSON, with the same text at each run: utoipa keeps the extensions of an operation in no order.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use utoipa::openapi::OpenApi;

use super::published;

/// The description as it is published, on one line.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn to_json(openapi: &OpenApi) -> serde_json::Result<String> {
    serde_json::to_string(&ordered(openapi)?)
}

/// As [`to_json`], to be read by people.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn to_pretty_json(openapi: &OpenApi) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&ordered(openapi)?)
}

fn ordered(openapi: &OpenApi) -> serde_json::Result<Node> {
    serde_json::from_str(&published(openapi).to_json()?)
}

/// JSON whose objects keep the order of their members, but for those whose names begin with `x-`: they are sorted by name, each in a
/// place where one of them was.
enum Node {
    Object(Vec<(String, Node)>),
    List(Vec<Node>),
    Leaf(serde_json::Value),
}

impl Node {
    fn object(mut members: Vec<(String, Self)>) -> Self {
        let is_extension = |(name, _): &(String, Self)| name.starts_with("x-");
        let (mut extensions, others): (Vec<_>, Vec<_>) = members
            .drain(..)
            .enumerate()
            .partition(|(_, member)| is_extension(member));
        let places: Vec<_> = extensions.iter().map(|(place, _)| *place).collect();
        extensions.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
        let extensions = places
            .into_iter()
            .zip(extensions.into_iter().map(|(_, member)| member));
        let mut placed: Vec<_> = others.into_iter().chain(extensions).collect();
        placed.sort_by_key(|(place, _)| *place);
        Self::Object(placed.into_iter().map(|(_, member)| member).collect())
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
            Self::List(items) => serializer.collect_seq(items),
            Self::Leaf(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Leaf(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(serde_json::Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_sorted_and_all_else_stays_where_it_is() {
        let text = r#"{"z":1,"x-b":[{"x-d":-1,"x-c":1.5}],"y":null,"x-a":{"b":true,"a":"é"}}"#;
        let read: Node = serde_json::from_str(text).unwrap();
        let sorted = r#"{"z":1,"x-a":{"b":true,"a":"é"},"y":null,"x-b":[{"x-c":1.5,"x-d":-1}]}"#;
        assert_eq!(serde_json::to_string(&read).unwrap(), sorted);
    }
}

//! What an event's data is made of: its JSON Schema, and a sample.

use std::collections::HashMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use utoipa::{
    __dev::ComposeSchema,
    ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{SchemaType, Type},
    },
};

use crate::EventInfo;

/// Types within types that are followed.
const DEPTH: usize = 8;
/// What samples have where an id stands, and a time.
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const TIME: &str = "2026-01-02T03:04:05Z";

/// A part of an event's data.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
    /// The schema of its type.
    pub schema: fn() -> Value,
    /// What a sample has there.
    pub example: Option<fn() -> Value>,
}

/// Stands for a time in descriptions.
pub struct DateTime;

// So that it may stand within others, such as an Option.
impl ComposeSchema for DateTime {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.format(Some(format)).into()
    }
}

impl ToSchema for DateTime {}

/// Stands for any JSON in descriptions.
pub struct AnyJson;

impl ComposeSchema for AnyJson {
    fn compose(_: Vec<RefOr<Schema>>) -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
    }
}

impl ToSchema for AnyJson {}

impl EventInfo {
    /// The JSON Schema of its data.
    #[must_use]
    pub fn schema(&self) -> Value {
        let properties: Map<_, _> = self
            .data
            .iter()
            .map(|field| (field.name.to_owned(), field.described()))
            .collect();
        let required: Vec<_> = self
            .data
            .iter()
            .filter(|field| !field.optional)
            .map(|field| field.name)
            .collect();
        json!({
            "title": self.name,
            "description": self.about,
            "type": "object",
            "properties": properties,
            "required": required,
        })
    }

    /// Data as it might come.
    #[must_use]
    pub fn sample(&self) -> Value {
        let data = self.data.iter().map(|field| {
            let sample = field
                .example
                .map_or_else(|| sample(&(field.schema)(), field.name), |example| example());
            (field.name.to_owned(), sample)
        });
        Value::Object(data.collect())
    }
}

impl FieldInfo {
    fn described(&self) -> Value {
        let mut schema = (self.schema)();
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), self.about.into());
            if let Some(example) = self.example {
                schema.insert("examples".to_owned(), json!([example()]));
            }
        }
        schema
    }
}

/// The JSON Schema of a type, with no reference in it.
#[must_use]
pub fn schema<T: ToSchema>() -> Value {
    let mut named = Vec::new();
    T::schemas(&mut named);
    let named: HashMap<_, _> = named
        .into_iter()
        .map(|(name, schema)| (name, json!(schema)))
        .collect();
    resolved(json!(T::schema()), &named, DEPTH)
}

/// As JSON, for a sample.
#[must_use]
pub fn example<T: Serialize>(value: T) -> Value {
    json!(value)
}

/// Whether the data can be read as a `T`.
///
/// # Errors
/// Why not.
pub fn reads<T: DeserializeOwned>(data: Value) -> Result<(), String> {
    serde_json::from_value::<T>(data)
        .map(drop)
        .map_err(|e| e.to_string())
}

fn resolved(schema: Value, named: &HashMap<String, Value>, depth: usize) -> Value {
    match schema {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|path| path.rsplit('/').next()) {
                let found = named.get(name).filter(|_| depth > 0);
                return found.map_or_else(|| json!({}), |schema| resolved(schema.clone(), named, depth - 1));
            }
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, resolved(value, named, depth)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| resolved(item, named, depth))
            .collect(),
        other => other,
    }
}

/// A value of this schema.
fn sample(schema: &Value, name: &str) -> Value {
    for given in ["const", "example", "default"] {
        if let Some(value) = schema.get(given).filter(|value| !value.is_null()) {
            return value.clone();
        }
    }
    for list in ["examples", "enum"] {
        if let Some(value) = schema[list]
            .as_array()
            .and_then(|list| list.iter().find(|value| !value.is_null()))
        {
            return value.clone();
        }
    }
    let is_null = |schema: &&Value| schema["type"] == "null";
    for list in ["oneOf", "anyOf"] {
        let variants = schema[list].as_array();
        if let Some(variant) = variants.and_then(|all| all.iter().find(|one| !is_null(one))) {
            return sample(variant, name);
        }
    }
    if let Some([part]) = schema["allOf"].as_array().map(Vec::as_slice) {
        return sample(part, name);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| sample(part, name));
        let fields = parts.filter_map(|part| part.as_object().cloned()).flatten();
        return Value::Object(fields.collect());
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds
            .iter()
            .find(|kind| *kind != "null")
            .cloned()
            .unwrap_or_default(),
        kind => kind.clone(),
    };
    of_kind(kind.as_str().unwrap_or_default(), schema, name)
}

fn of_kind(kind: &str, schema: &Value, name: &str) -> Value {
    match kind {
        "string" => match schema["format"].as_str().unwrap_or_default() {
            "uuid" => ID.into(),
            "date-time" => TIME.into(),
            "date" => TIME[..10].into(),
            _ => name.into(),
        },
        "integer" => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1.5)),
        "boolean" => true.into(),
        "array" => json!([sample(&schema["items"], name)]),
        "object" => {
            let fields = schema["properties"].as_object();
            let fields = fields
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), sample(schema, name)));
            Value::Object(fields.collect())
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        Red,
        Blue,
    }

    #[derive(Serialize, Deserialize, ToSchema)]
    struct Part {
        colour: Colour,
        weights: Vec<f64>,
    }

    #[derive(Serialize, Deserialize, ToSchema)]
    struct Whole {
        parts: Vec<Part>,
        best: Option<Part>,
        name: Option<String>,
        count: u32,
    }

    #[test]
    fn a_schema_has_no_references_and_its_sample_can_be_read() {
        let schema = schema::<Whole>();
        assert!(!schema.to_string().contains("$ref"), "{schema}");
        let sample = sample(&schema, "whole");
        assert_eq!(sample["parts"][0]["colour"], "red");
        assert_eq!(sample["best"]["weights"], json!([1.5]));
        reads::<Whole>(sample).unwrap();
    }

    #[derive(Serialize, Deserialize, ToSchema)]
    struct Tree {
        #[schema(no_recursion)]
        branches: Vec<Tree>,
    }

    #[test]
    fn what_is_within_itself_ends() {
        assert!(schema::<Tree>().to_string().len() < 10_000);
    }
}

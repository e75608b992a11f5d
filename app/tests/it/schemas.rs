//! Names of schemas: clients are made of them, so each is of one type, and those of a service begin with its name.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::architecture::{files, names, root};

/// The types of a source file that are schemas, by the names that they have as such.
fn schemas(text: &str) -> Vec<String> {
    let derived = text.split("#[derive(").skip(1).filter(|rest| {
        let derives = rest.split(')').next().unwrap_or_default();
        derives.contains("ToSchema")
    });
    let name = |rest: &str| -> Option<String> {
        let declared = |word: &str| rest.find(word).map(|at| &rest[at + word.len()..]);
        let at = ["struct ", "enum "]
            .into_iter()
            .filter_map(declared)
            .max_by_key(|rest| rest.len())?;
        let attributes = &rest[..rest.len() - at.len()];
        let given = attributes.split("#[schema(as = ").nth(1).unwrap_or(at);
        given
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .map(str::to_owned)
    };
    derived.filter_map(name).collect()
}

/// Where each schema is declared: the names of the services, or "platform".
fn declared() -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for file in files() {
        let parts: Vec<_> = file.iter().map(|part| part.to_str().unwrap()).collect();
        let owner = match parts.as_slice() {
            ["services", service, rest @ ..] if rest.contains(&"src") => *service,
            ["platform", _, "src", ..] => "platform",
            _ => continue,
        };
        if file.extension().is_some_and(|extension| extension == "rs") {
            for schema in schemas(&fs::read_to_string(root().join(&file)).unwrap()) {
                found.entry(schema).or_default().push(owner.to_owned());
            }
        }
    }
    found
}

/// `data_rooms` as names of types have it.
fn prefix(service: &str) -> String {
    let parts = service.split('_');
    parts.map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

/// The names of the API's description. Types of which every use is written out have none there.
fn described() -> Vec<String> {
    let document: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap().keys();
    schemas
        .map(|name| name.trim_start_matches("Page_").to_owned())
        .collect()
}

#[test]
fn each_schema_is_of_one_type_and_those_of_services_begin_with_their_names() {
    let (services, declared) = (names(), declared());
    let mut wrong = Vec::new();
    for schema in described() {
        let owners = declared.get(&schema).map_or(&[][..], Vec::as_slice);
        match owners {
            [owner] if !services.contains(owner) || schema.starts_with(&prefix(owner)) => {}
            [owner] => wrong.push(format!(
                "{schema} of {owner} does not begin with {}",
                prefix(owner)
            )),
            [] => wrong.push(format!("{schema} is declared nowhere")),
            several => wrong.push(format!("{schema} is several types, of {several:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn schemas_are_found_in_sources() {
    let text = "#[derive(Debug, ToSchema)]\n/// A thing.\npub struct UsersThing {\n}\n#[derive(Clone)]\nstruct Plain;\n\
                #[derive(ToSchema)]\n#[schema(as = UsersKind)]\nenum Kind { A }";
    assert_eq!(schemas(text), ["UsersThing", "UsersKind"]);
}

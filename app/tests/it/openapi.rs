//! The OpenAPI document: checked in, complete, and true to what is served. And what else is generated and checked in.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use reqwest::Method;
use serde_json::Value;

use crate::stoa::{Stoa, folder, run};

fn checked_in_text() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    fs::read_to_string(file).unwrap()
}

fn checked_in() -> Value {
    serde_json::from_str(&checked_in_text()).unwrap()
}

/// Method, path and description of every operation of a document.
pub(crate) fn operations(document: &Value) -> impl Iterator<Item = (Method, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let operations = item
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, operation)| operation["responses"].is_object());
        operations
            .map(|(method, operation)| (method.to_uppercase().parse().unwrap(), path.as_str(), operation))
    })
}

#[test]
fn the_checked_in_document_is_what_the_program_prints() {
    let (scratch, _) = folder();
    let printed = run(&scratch.path().join("data"), &["openapi"]);
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    assert!(
        printed.stdout == checked_in_text().as_bytes(),
        "docs/openapi.json is out of date; run `make openapi` and look at what changed"
    );
    assert!(
        !scratch.path().join("data").exists(),
        "printing the document leaves nothing behind"
    );
}

#[test]
fn the_checked_in_settings_are_what_the_program_prints() {
    let (scratch, _) = folder();
    let printed = run(&scratch.path().join("data"), &["config", "print", "--defaults"]);
    assert!(printed.status.success());
    assert!(
        String::from_utf8_lossy(&printed.stdout) == include_str!("../../../stoa.default.toml"),
        "stoa.default.toml is out of date; run `make defaults` and look at what changed"
    );
}

#[test]
fn what_files_say_of_the_services_is_generated() {
    let (scratch, _) = folder();
    let listed = run(&scratch.path().join("data"), &["services", "--json"]);
    let mut generate = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/generate.py"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    generate.stdin.take().unwrap().write_all(&listed.stdout).unwrap();
    let found = generate.wait_with_output().unwrap();
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_served_document_is_the_checked_in_one() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    let served: Value = stoa.look("/api/openapi.json").await.json().await.unwrap();
    assert!(served == checked_in());
}

#[test]
fn every_operation_is_described() {
    let document = checked_in();
    let mut wanting = Vec::new();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        if operation["summary"].as_str().is_none_or(str::is_empty) {
            wanting.push(format!("{name}: no summary"));
        }
        if !operation["security"].is_array() {
            wanting.push(format!("{name}: does not say who may call it"));
        }
        if operation["tags"].as_array().is_none_or(Vec::is_empty) {
            wanting.push(format!("{name}: no tag"));
        }
    }
    assert!(wanting.is_empty(), "{}", wanting.join("\n"));
}

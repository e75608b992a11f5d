//! Layers, refusals, sections and printing.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod engines;
mod layers;
mod print;
mod refusals;
mod sections;

use std::path::PathBuf;

use stoa_config::{ConfigError, Settings};
use tempfile::TempDir;
use toml::Value;

const DEFAULTS: &str = r#"
[server]
listen = "127.0.0.1:3000"

[gateway]
max_body = 2097152
trace_ratio = 1.0
access_log = true
proxies = []

[gateway.rate_limit]
per_address = "200/s"
per_user = "100/s"
per_route = ["POST /a 5/m"]

[auth]
token_lifetime = "1h"
client_secret = ""

[mail]
url = ""
"#;

/// A settings file with this text.
fn file(text: &str) -> (PathBuf, TempDir) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("stoa.toml");
    std::fs::write(&path, text).unwrap();
    (path, dir)
}

/// The settings of these layers.
fn load(text: &str, env: &[(&str, &str)], flags: &[(&str, Value)]) -> Result<Settings, ConfigError> {
    let (path, _dir) = file(text);
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags = flags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    Settings::load(DEFAULTS, Some(path.as_path()), env, flags)
}

/// What is wrong with these layers.
fn problems(text: &str, env: &[(&str, &str)], flags: &[(&str, Value)]) -> Vec<String> {
    load(text, env, flags).expect_err("accepted").problems().to_vec()
}

/// A section as it is.
fn table(settings: &Settings, name: &str) -> toml::Table {
    settings.section(name).unwrap()
}

//! What a service sets for itself of the engines that it stands on.

use serde::Deserialize;
use stoa_config::{Schema, Settings, Source};

use crate::{DEFAULTS, file};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Database {
    url: String,
    connections: usize,
    hosts: Vec<String>,
}

fn schema() -> Schema {
    let defaults = format!("{DEFAULTS}\n[database]\nurl = \"\"\nconnections = 4\nhosts = []\n");
    Schema::new(&defaults)
        .unwrap()
        .per_service("database", ["auth", "gateway"])
}

fn load(text: &str, env: &[(&str, &str)]) -> Result<Settings, stoa_config::ConfigError> {
    let (path, _dir) = file(text);
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(schema(), Some(path.as_path()), env, Vec::new())
}

#[test]
fn a_service_may_set_for_itself_what_holds_for_all() {
    let text = "[database]\nurl = \"all\"\nconnections = 8\n[auth.database]\nurl = \"file\"";
    let settings = load(text, &[("STOA_AUTH__DATABASE__URL", "mine")]).unwrap();
    let auth: Database = settings.engine_section("database", "auth").unwrap();
    assert_eq!((auth.url.as_str(), auth.connections), ("mine", 8));
    let gateway: Database = settings.engine_section("database", "gateway").unwrap();
    assert_eq!((gateway.url.as_str(), gateway.connections), ("all", 8));
    assert_eq!(
        settings.engine_key("database", "auth", "url"),
        "auth.database.url"
    );
    assert_eq!(settings.engine_key("database", "gateway", "url"), "database.url");
    assert_eq!(
        settings.source("auth.database.url"),
        Source::Variable("STOA_AUTH__DATABASE__URL".to_owned())
    );
}

#[test]
fn it_is_no_part_of_the_services_own_section() {
    let settings = load("[auth.database]\nurl = \"mine\"", &[]).unwrap();
    let auth: toml::Table = settings.section("auth").unwrap();
    assert!(auth.contains_key("token_lifetime") && !auth.contains_key("database"));
    assert!(
        settings
            .print(true)
            .contains("[auth.database]\nurl = \"mine\" # from ")
    );
}

#[test]
fn what_it_cannot_set_is_refused_with_the_nearest_name() {
    for (text, near) in [
        ("[auth.database]\nurk = \"a\"", "did you mean auth.database.url?"),
        ("[auth.databse]\nurl = \"a\"", "is not a setting"),
        ("[mail.database]\nurl = \"a\"", "is not a setting"),
        (
            "[auth.database]\nconnections = \"many\"",
            "auth.database.connections",
        ),
    ] {
        let refused = load(text, &[]).unwrap_err().to_string();
        assert!(refused.contains(near), "{refused}");
    }
    let refused = load("", &[("STOA_AUTH__DATABASE__URK", "a")])
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("did you mean STOA_AUTH__DATABASE__URL?"),
        "{refused}"
    );
}

#[test]
fn a_value_of_no_use_is_named_by_the_key_it_comes_from() {
    let settings = load(
        "[database]\nconnections = -1\n[auth.database]\nconnections = -2",
        &[],
    )
    .unwrap();
    let wrong = |service| {
        settings
            .engine_section::<Database>("database", service)
            .unwrap_err()
            .to_string()
    };
    assert!(wrong("auth").starts_with("auth.database.connections (from "));
    assert!(wrong("gateway").starts_with("database.connections (from "));
}

#[test]
fn a_later_file_outranks_an_earlier_one() {
    let (one, _one) = file("[database]\nurl = \"one\"\nconnections = 1");
    let (two, _two) = file("[database]\nurl = \"two\"");
    let settings = Settings::load(schema(), [one.as_path(), &two], std::iter::empty(), Vec::new()).unwrap();
    let found: Database = settings.engine_section("database", "auth").unwrap();
    assert_eq!((found.url.as_str(), found.connections), ("two", 1));
}

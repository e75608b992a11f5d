//! What the protocol takes, found out from the service itself: it names the fields of whatever it refuses for one that it does not know.
//! `tools/asyncapi.sh` compares it with docs/asyncapi.yaml.

use serde_json::{Value, json};
use stoa_db::Engine;

use crate::{client::Client, helpers::builder};

/// A field of no command.
const UNKNOWN: &str = "no_such_field";

/// `{"a": {"b": {"no_such_field": 0}}}`.
fn probe(path: &[String]) -> Value {
    path.iter()
        .rev()
        .fold(json!({ UNKNOWN: 0 }), |inner, name| json!({ name: inner }))
}

/// The fields that are known where the refusal says that one is not.
fn known(detail: &str) -> Option<Vec<String>> {
    let rest = detail.strip_prefix(&format!("unknown field `{UNKNOWN}`, "))?;
    Some(rest.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

#[tokio::test]
async fn every_object_of_a_command_names_its_fields() {
    let app = builder(|config| config.commands_per_connection = "1000/m".parse().unwrap());
    let app = app.start(Engine::Sqlite).await;
    let mut client = Client::open(&app).await;
    let (mut paths, mut objects) = (vec![Vec::new()], Vec::new());
    while let Some(path) = paths.pop() {
        client.send(&probe(&path).to_string()).await;
        let answer = client.text().await;
        assert_eq!(answer["problem"]["code"], "invalid_input", "{path:?}: {answer}");
        let Some(fields) = known(answer["problem"]["detail"].as_str().unwrap()) else {
            // No object: a text, a number.
            continue;
        };
        paths.extend(fields.into_iter().map(|field| [&path[..], &[field]].concat()));
        objects.push(path.join("."));
    }
    objects.sort_unstable();
    assert_eq!(
        objects,
        [
            "",
            "connect",
            "history",
            "ping",
            "presence",
            "publish",
            "refresh",
            "subscribe",
            "subscribe.recover",
            "unsubscribe"
        ]
    );
    app.stop().await;
}

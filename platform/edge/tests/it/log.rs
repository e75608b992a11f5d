//! The line that each request leaves.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use stoa_telemetry::AccessLog;

use crate::story::{Story, request, story_with};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A story with a log, and what stops the log and reads it.
fn logged(settings: &str) -> (Story, impl FnOnce() -> String) {
    let memory = Memory::default();
    let log = AccessLog::to(memory.clone());
    let story = story_with(settings, |parts| parts.access_log = Some(log.clone()));
    (story, move || {
        log.stop();
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
    })
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

#[tokio::test]
async fn a_line_says_who_asked_what_and_how_it_went_and_no_secrets() {
    let (story, read) = logged("");
    let (token, user) = story.token();
    let asked = request("GET", "/things/7?password=secret")
        .header("authorization", format!("Bearer {token}"))
        .header("cookie", "stoa_refresh=secret")
        .header("user-agent", "curl/8")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        );
    let answer = story.send(asked).await;
    let text = read();
    assert!(!text.contains("secret") && !text.contains(&token), "{text}");
    let line = &lines(&text)[0];
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    assert!(line["duration_us"].is_u64());
    for (key, value) in [
        ("level", Value::from("INFO")),
        ("target", "access".into()),
        ("request_id", answer.header("x-request-id").into()),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
        ("method", "GET".into()),
        ("path", "/things/7".into()),
        ("route", "/things/{id}".into()),
        ("status", 200.into()),
        ("bytes", 5.into()),
        ("address", "192.0.2.1".into()),
        ("user_id", user.to_string().into()),
        ("user_agent", "curl/8".into()),
    ] {
        assert_eq!(line[key], value, "{key}");
    }
}

#[tokio::test]
async fn a_token_in_the_path_is_not_written_down() {
    let (story, read) = logged("");
    let token = "AaIe99hdFGD1V7MkmyGdreKEj8dYndtO0y651";
    // Mistyped, the last two are no routes of ours.
    let paths = [
        format!("/offers/{token}"),
        format!("/offers/{token}/"),
        format!("/offer/{token}"),
    ];
    for path in &paths {
        story.get(path).await;
    }
    let text = read();
    assert!(!text.contains(token), "{text}");
    let written: Vec<_> = lines(&text).iter().map(|line| line["path"].clone()).collect();
    assert_eq!(written, ["/offers/{token}", "/offers/…/", "/offer/…"]);
}

#[tokio::test]
async fn refusals_faults_and_callers_who_leave_have_their_lines_too() {
    let (story, read) = logged("rate_limit.per_address = \"4/h\"");
    for path in ["/nowhere", "/panic", "/broken"] {
        story.get(path).await;
    }
    tokio::time::timeout(Duration::from_millis(50), story.get("/slow"))
        .await
        .err()
        .unwrap();
    story.get("/plain").await;
    let text = read();
    let told: Vec<_> = lines(&text)
        .iter()
        .map(|line| (line["status"].as_u64().unwrap(), line["route"].clone()))
        .collect();
    let statuses: Vec<_> = told.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [404, 500, 500, 499, 429]);
    assert_eq!(
        (told[0].1.as_str(), told[3].1.as_str()),
        (Some("(none)"), Some("/slow"))
    );
    assert_eq!(lines(&text)[1]["level"], "ERROR");
}

#[tokio::test]
async fn the_settings_turn_it_off() {
    let (story, read) = logged("access_log = false");
    story.get("/plain").await;
    assert_eq!(read(), "");
}

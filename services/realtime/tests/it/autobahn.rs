//! Autobahn's suite for WebSocket servers, where `STOA_TEST_AUTOBAHN` names its program `wstest`: tools/autobahn.sh does.

use std::process::Command;

use serde_json::{Value, json};

/// Largest message of the suite, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// How a case may end. `UNIMPLEMENTED` is for compression, which is not offered.
const GOOD: [&str; 4] = ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"];

#[expect(clippy::disallowed_methods, reason = "where a tool is, is no setting")]
#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_autobahn_passes() {
    let Ok(wstest) = std::env::var("STOA_TEST_AUTOBAHN") else {
        println!("left out: STOA_TEST_AUTOBAHN does not name wstest");
        return;
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, stoa_realtime::echo(LARGEST)).await });
    let folder = tempfile::tempdir().unwrap();
    let spec = json!({
        "outdir": folder.path().join("reports"),
        "servers": [{ "agent": "stoa", "url": format!("ws://{address}") }],
        "cases": ["*"],
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    });
    let file = folder.path().join("spec.json");
    std::fs::write(&file, spec.to_string()).unwrap();
    let ran = tokio::task::spawn_blocking(move || {
        let mut suite = Command::new("sh");
        suite
            .arg("-c")
            .arg(format!("{wstest} --mode fuzzingclient --spec {}", file.display()));
        suite.output().unwrap()
    });
    let ran = ran.await.unwrap();
    let index = std::fs::read(folder.path().join("reports/index.json"))
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stderr)));
    let index: Value = serde_json::from_slice(&index).unwrap();
    let cases = index["stoa"].as_object().unwrap();
    let is_good = |case: &Value| {
        [&case["behavior"], &case["behaviorClose"]]
            .iter()
            .all(|end| end.as_str().is_some_and(|end| GOOD.contains(&end)))
    };
    let bad: Vec<_> = cases.iter().filter(|(_, case)| !is_good(case)).collect();
    println!("{} cases", cases.len());
    assert!(cases.len() > 200, "{} cases", cases.len());
    assert!(bad.is_empty(), "{bad:#?}");
}

//! Samples, retries and replays.

use std::time::Duration;

use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{assert_problem, eventually};

use crate::helpers::{App, Sink, endpoint, happen, items, organization};

#[db_test]
async fn a_sample_is_sent_once_and_has_no_consequences(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    sink.answer(500);
    let test = async |body| {
        app.post(&format!("{path}/test"))
            .bearer(&token)
            .json(&body)
            .send()
            .await
    };
    let made = test(json!({})).await.expect(202).value();
    app.settle().await;
    assert_eq!(sink.received()[0].json()["type"], "member.added");
    app.advance(Duration::from_secs(600)).await;
    assert_eq!(sink.count(), 1);
    let row = app.get(&path).bearer(&token).send().await.expect(200).value();
    assert_eq!(row["failing_since"], json!(null));
    let attempts = format!(
        "{path}/attempts?message_id={}",
        made["message_id"].as_str().unwrap()
    );
    let attempts = items(&app, &token, &attempts).await;
    assert_eq!((attempts.len(), attempts[0]["cause"].as_str()), (1, Some("test")));
    assert_problem(
        &test(json!({"event_type": "nothing.happened"})).await,
        422,
        "invalid_input",
        &["event_type"],
    );
    assert_problem(
        &test(json!({"event_type": "session.revoked"})).await,
        422,
        "invalid_input",
        &["event_type"],
    );
}

#[db_test]
async fn what_has_failed_is_sent_again_when_somebody_asks(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    sink.answer(500);
    for _ in 0..3 {
        happen(&app, ours).await;
    }
    eventually("all were tried", async || sink.count() == 3).await;
    app.settle().await;
    let pending = items(&app, &token, &format!("{path}/messages?state=pending")).await;
    assert_eq!(pending.len(), 3);
    sink.answer(200);
    let retry = format!(
        "{path}/messages/{}/retry",
        pending[0]["message_id"].as_str().unwrap()
    );
    app.post(&retry).bearer(&token).send().await.expect(202);
    app.settle().await;
    assert_eq!(sink.count(), 4);
    app.advance(Duration::from_secs(10)).await;
    assert_eq!(sink.count(), 6, "the series before it is over");
    let delivered = items(&app, &token, &format!("{path}/messages?state=delivered")).await;
    assert_eq!(delivered.len(), 3);
}

#[db_test]
async fn a_replay_sends_what_was_missed_in_batches_once_at_a_time(app: App) {
    let ((ours, token), sink, other) = (organization(&app), Sink::start().await, Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    endpoint(&app, &token, ours, &other, json!({"events": ["member.*"]})).await;
    let early = happen(&app, ours).await;
    app.settle().await;
    app.patch(&path)
        .bearer(&token)
        .json(&json!({"enabled": false}))
        .send()
        .await
        .expect(200);
    app.clock().advance(Duration::from_secs(60));
    let since = app.clock().now();
    for _ in 0..120 {
        happen(&app, ours).await;
    }
    app.settle().await;
    assert_eq!(sink.count(), 1);
    let replay = async |body| {
        app.post(&format!("{path}/replay"))
            .bearer(&token)
            .json(&body)
            .send()
            .await
    };
    assert_problem(
        &replay(json!({"since": since})).await,
        409,
        "webhook_endpoint_disabled",
        &[],
    );
    app.patch(&path)
        .bearer(&token)
        .json(&json!({"enabled": true}))
        .send()
        .await
        .expect(200);
    let answers = futures::join!(replay(json!({"since": since})), replay(json!({"since": since})));
    assert!([answers.0.status(), answers.1.status()].contains(&202));
    app.settle().await;
    let missed: Vec<_> = sink
        .received()
        .iter()
        .skip(1)
        .map(|one| one.json()["data"]["user_id"].clone())
        .collect();
    assert!(missed.len() == 120 || missed.len() == 240, "{}", missed.len());
    assert!(!missed.contains(&json!(early)), "what was before is not sent");
    let before = sink.count();
    replay(json!({"since": since, "only_failed": true}))
        .await
        .expect(202);
    app.settle().await;
    assert_eq!(sink.count(), before, "nothing has failed");
    assert_problem(
        &replay(json!({"since": null})).await,
        422,
        "invalid_input",
        &["since"],
    );
    assert_problem(&replay(json!({})).await, 422, "invalid_input", &["since"]);
}

//! Servers that fail: for a while, for days, for good.

use std::time::Duration;

use serde_json::json;
use stoa_db::db_test;
use stoa_notifications_api::{NotificationRequested, Recipients};
use stoa_testkit::eventually;
use stoa_webhooks::events::{DisabledReason, EndpointDisabled};

use crate::helpers::{App, Behaviour, Sink, endpoint, happen, items, organization};

const HOUR: Duration = Duration::from_secs(3600);

#[db_test]
async fn attempts_are_made_again_later_each_time_and_then_no_more(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    sink.answer(503);
    happen(&app, ours).await;
    app.settle().await;
    assert_eq!(sink.count(), 1);
    let minute = Duration::from_secs(60);
    let pauses = [
        Duration::from_secs(5),
        5 * minute,
        30 * minute,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        10 * HOUR,
    ];
    for (made, pause) in (1..).zip(pauses) {
        app.advance(pause.mul_f64(0.9)).await;
        assert_eq!(sink.count(), made, "not before its time");
        app.clock().advance(pause.mul_f64(0.3));
        eventually("another attempt was made", async || sink.count() == made + 1).await;
        app.settle().await;
    }
    app.advance(48 * HOUR).await;
    assert_eq!(sink.count(), 8);
    let token = app.member_token(app.new_user(), ours, stoa_kernel::OrganizationRole::Owner);
    let failed = items(&app, &token, &format!("{path}/messages?state=failed")).await;
    assert_eq!((failed.len(), failed[0]["attempts"].as_u64()), (1, Some(8)));
    let ids: Vec<_> = sink
        .received()
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "one message has one id");
    let attempts = items(&app, &token, &format!("{path}/attempts?succeeded=false")).await;
    assert_eq!(attempts.len(), 8);
}

#[db_test]
async fn a_server_may_ask_for_more_time_and_is_not_followed_elsewhere(app: App) {
    let ((ours, token), sink, elsewhere) = (organization(&app), Sink::start().await, Sink::start().await);
    endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    sink.behave(Behaviour {
        status: Some(429),
        retry_after: Some(600),
        ..Behaviour::default()
    });
    happen(&app, ours).await;
    app.settle().await;
    app.advance(Duration::from_secs(590)).await;
    assert_eq!(sink.count(), 1);
    sink.behave(Behaviour {
        status: Some(307),
        location: Some(elsewhere.url.clone()),
        ..Behaviour::default()
    });
    app.clock().advance(Duration::from_secs(80));
    eventually("the second attempt", async || sink.count() == 2).await;
    app.settle().await;
    assert_eq!(elsewhere.count(), 0);
}

#[db_test]
async fn a_success_whose_body_stalls_is_a_success(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    sink.behave(Behaviour {
        status: Some(200),
        stalls: true,
        ..Behaviour::default()
    });
    happen(&app, ours).await;
    app.settle().await;
    let attempts = items(&app, &token, &format!("{path}/attempts")).await;
    assert_eq!(
        (attempts[0]["succeeded"].as_bool(), attempts[0]["status"].as_u64()),
        (Some(true), Some(200))
    );
    let one = format!("{path}/attempts/{}", attempts[0]["id"].as_str().unwrap());
    let one = app.get(&one).bearer(&token).send().await.expect(200).value();
    assert_eq!(
        (&one["response_body"], &one["response_truncated"]),
        (&json!("as it says"), &json!(true))
    );
    app.advance(48 * HOUR).await;
    assert_eq!(sink.count(), 1, "it is not sent again");
}

#[db_test]
async fn an_endpoint_that_is_gone_or_fails_for_days_is_disabled_and_its_owner_is_told(app: App) {
    let ((ours, token), gone, failing) = (organization(&app), Sink::start().await, Sink::start().await);
    let path = endpoint(&app, &token, ours, &gone, json!({"events": ["member.*"]})).await;
    gone.answer(410);
    happen(&app, ours).await;
    app.settle().await;
    let row = app.get(&path).bearer(&token).send().await.expect(200).value();
    assert_eq!(
        (&row["enabled"], &row["disabled_reason"]),
        (&json!(false), &json!("gone"))
    );
    let told = app.emitted::<EndpointDisabled>().await;
    assert_eq!((told.len(), told[0].reason), (1, DisabledReason::Gone));
    let asked = app.emitted::<NotificationRequested>().await.pop().unwrap();
    assert_eq!(
        (&*asked.kind, &asked.recipients, &asked.data["reason"]),
        ("webhook.disabled", &Recipients::Managers(ours), &json!("gone"))
    );
    assert_eq!(
        app.audited("webhook.disable").await[0].organization_id,
        Some(ours)
    );
    happen(&app, ours).await;
    app.settle().await;
    assert_eq!(gone.count(), 1, "nothing more is sent");

    let failing_path = endpoint(&app, &token, ours, &failing, json!({"events": ["member.*"]})).await;
    failing.answer(500);
    for _ in 0..7 {
        happen(&app, ours).await;
        app.advance(20 * HOUR).await;
    }
    let told = app.emitted::<EndpointDisabled>().await;
    assert_eq!((told.len(), told[1].reason), (2, DisabledReason::Failing));
    let token = app.member_token(app.new_user(), ours, stoa_kernel::OrganizationRole::Admin);
    let row = app
        .get(&failing_path)
        .bearer(&token)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(row["disabled_reason"], "failing");
    let body = json!({"enabled": true});
    let row = app
        .patch(&failing_path)
        .bearer(&token)
        .json(&body)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&row["enabled"], &row["failing_since"]),
        (&json!(true), &json!(null))
    );
    failing.answer(200);
    let before = failing.count();
    happen(&app, ours).await;
    app.settle().await;
    assert_eq!(failing.count(), before + 1);
}

#[db_test]
async fn a_jump_of_the_clock_deletes_and_disables_nothing(app: App) {
    const JUMP: Duration = Duration::from_secs(400 * 24 * 3600);
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    sink.answer(500);
    happen(&app, ours).await;
    app.settle().await;
    app.clock().jump(JUMP);
    // One that is made now, and the one that waits is not.
    happen(&app, ours).await;
    eventually("another attempt was made", async || sink.count() == 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    app.clock().set_back(JUMP);
    app.settle().await;
    let row = app.get(&path).bearer(&token).send().await.expect(200).value();
    assert_eq!(row["enabled"], true);
    let pending = items(&app, &token, &format!("{path}/messages?state=pending")).await;
    assert_eq!(pending.len(), 2);
    assert_eq!(items(&app, &token, &format!("{path}/attempts")).await.len(), 2);
    app.clock().advance(24 * HOUR);
    eventually("and attempts go on", async || sink.count() > 2).await;
}

#[db_test]
async fn an_attempt_leaves_nothing_of_an_endpoint_that_was_deleted_meanwhile(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({"events": ["member.*"]})).await;
    sink.behave(Behaviour {
        status: Some(200),
        delay: Duration::from_millis(1500),
        ..Behaviour::default()
    });
    happen(&app, ours).await;
    eventually("the attempt has begun", async || sink.count() == 1).await;
    app.delete(&path).bearer(&token).send().await.expect(204);
    app.settle().await;
    for table in ["attempts", "deliveries", "endpoints"] {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let left: i64 = app.db().fetch_one(&sql, &[]).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

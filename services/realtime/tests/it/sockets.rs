//! Connections: how they begin, what may be said, and how they end.

use std::time::Duration;

use serde_json::json;
use stoa_db::{Engine, db_test};
use stoa_events::Channel;
use stoa_http::MAX_DEPTH;
use stoa_testkit::assert_problem;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::Client,
    helpers::{App, builder, publish},
};

#[db_test]
async fn a_client_says_who_it_is_and_is_sent_what_is_its_own(app: App) {
    let user = app.new_user();
    let mut client = Client::open(&app).await;
    let connected = client
        .result(json!({ "connect": { "token": app.token(user, &[]) } }))
        .await;
    assert_eq!(connected["user_id"], json!(user));
    assert!(connected["expires_at"].is_string() && connected["heartbeat_ms"].is_u64());
    assert!(connected["expires_in_ms"].as_u64() > Some(0));
    let channel = Channel::user(user);
    let subscribed = client.subscribe(&channel).await;
    assert_eq!(
        subscribed,
        json!({ "channel": channel, "epoch": "", "offset": 0 })
    );
    publish(&app, &channel, 7).await;
    let push = client.push().await;
    assert_eq!(push["channel"], json!(channel));
    assert_eq!(push["offset"], 1);
    assert_eq!(push["event"], "order.packed");
    assert_eq!(push["data"], json!({ "number": 7 }));
    assert!(push["time"].is_string() && push["id"].is_string());
    assert_eq!(push.get("sender"), None);
    client
        .result(json!({ "unsubscribe": { "channel": channel } }))
        .await;
    publish(&app, &channel, 8).await;
    app.settle().await;
    assert!(client.is_silent().await);
    let twice = client
        .refusal(json!({ "unsubscribe": { "channel": channel } }))
        .await;
    assert_eq!(twice, "not_subscribed");
}

#[db_test]
async fn nothing_is_done_for_somebody_who_has_not_said_who_they_are(app: App) {
    let channel = Channel::user(app.new_user());
    let mut client = Client::open(&app).await;
    for command in [
        json!({ "subscribe": { "channel": channel } }),
        json!({ "unsubscribe": { "channel": channel } }),
        json!({ "publish": { "channel": channel, "event": "client.x", "data": 1 } }),
        json!({ "history": { "channel": channel } }),
        json!({ "refresh": { "token": app.token(app.new_user(), &[]) } }),
    ] {
        assert_eq!(client.refusal(command).await, "unauthenticated");
    }
    client.result(json!({ "ping": {} })).await;
}

#[db_test]
async fn bad_credentials_end_the_connection(app: App) {
    let user = app.new_user();
    let cookie = app.cookie_session(user, &[]).access;
    for token in ["nonsense", "stoa_key_nonsense", &cookie] {
        let mut client = Client::open(&app).await;
        let refused = client.refusal(json!({ "connect": { "token": token } })).await;
        assert_eq!(refused, "unauthenticated");
        let (last, code, reason) = client.closed().await;
        assert_eq!((code, &*reason), (4501, "unauthenticated"));
        assert_eq!(last.unwrap()["disconnect"]["reconnect"], false);
    }
    let mut client = Client::open(&app).await;
    let refused = client
        .refusal(json!({ "connect": { "ticket": "nonsense" } }))
        .await;
    assert_eq!(refused, "ticket_invalid");
    assert_eq!(client.closed().await.1, 4501);
}

#[db_test]
async fn what_cannot_be_read_is_answered_and_ends_nothing(app: App) {
    let token = app.token(app.new_user(), &[]);
    let mut client = Client::of(&app, &token).await;
    for (text, code) in [
        ("", "malformed_request"),
        ("{", "malformed_request"),
        ("[]", "malformed_request"),
        ("7", "invalid_input"),
        (r#"{"ping":{},"connect":{"token":"x"}}"#, "malformed_request"),
        (r#"{"dance":{}}"#, "invalid_input"),
        (r#"{"subscribe":{"channel":"a b"}}"#, "invalid_input"),
    ] {
        client.send(text).await;
        let answer = client.text().await;
        assert_eq!(answer["problem"]["code"], code, "{text}");
    }
    for command in [json!({ "connect": {} }), json!({ "connect": { "token": token } })] {
        assert_eq!(client.refusal(command).await, "already_connected");
    }
    client.result(json!({ "ping": {} })).await;
}

#[tokio::test]
async fn data_is_nested_no_deeper_than_by_request() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let user = app.new_user();
    let (token, channel) = (app.token(user, &[]), Channel::user(user));
    let mut client = Client::of(&app, &token).await;
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let command = |data: &str| {
        format!(r#"{{"id":7,"publish":{{"channel":"{channel}","event":"client.x","data":{data}}}}}"#)
    };
    // Two objects are around it.
    client.send(&command(&nested(MAX_DEPTH - 2))).await;
    assert_eq!(client.text().await["result"]["offset"], 1);
    for data in [&nested(MAX_DEPTH - 1), &nested(20_000)] {
        client.send(&command(data)).await;
        let answer = client.text().await;
        assert_eq!(
            (&answer["id"], &answer["problem"]["code"]),
            (&json!(7), &json!("malformed_request"))
        );
        let detail = answer["problem"]["detail"].as_str().unwrap();
        assert!(detail.contains("nested too deeply"), "{detail}");
    }
    client.send(&command(r#""\u0000""#)).await;
    assert_eq!(client.text().await["problem"]["code"], "invalid_input");
    let path = format!("/api/v1/realtime/channels/{channel}/messages");
    let answer = app.get(&path).bearer(&token).send().await.expect(200);
    let page = answer.value();
    assert_eq!(
        page["items"].as_array().unwrap().len(),
        1,
        "a reader can parse it"
    );
    app.stop().await;
}

#[db_test]
async fn what_is_not_of_the_protocol_ends_the_connection(app: App) {
    let token = app.token(app.new_user(), &[]);
    let mut client = Client::of(&app, &token).await;
    client.send_message(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(client.closed().await.1, 1003);
    let mut client = Client::of(&app, &token).await;
    client.send(&"x".repeat(100_000)).await;
    assert_eq!(client.closed().await.1, 1009);
}

#[db_test]
async fn a_request_that_is_no_handshake_is_told_so(app: App) {
    let path = "/api/v1/realtime";
    let plain = app.get(path).send().await;
    assert_problem(&plain, 426, "upgrade_required", &[]);
    assert_eq!(plain.header("upgrade"), Some("websocket"));
    let old = app
        .get(path)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "8");
    let old = old.send().await;
    assert_problem(&old, 426, "upgrade_required", &[]);
    assert_eq!(old.header("sec-websocket-version"), Some("13"));
    let keyless = app
        .get(path)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13");
    assert_problem(&keyless.send().await, 400, "malformed_request", &[]);
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let app = builder(|config| {
        config.connect_timeout = stoa_kernel::Period(Duration::from_millis(200));
        config.heartbeat = stoa_kernel::Period(Duration::from_millis(300));
    });
    let app = app.start(Engine::Sqlite).await;
    let mut client = Client::open(&app).await;
    let (_, code, reason) = client.closed().await;
    assert_eq!((code, &*reason), (4502, "connect_timeout"));
    // The library answers pings only where it is read.
    let mut client = Client::of(&app, &app.token(app.new_user(), &[])).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (last, code, reason) = client.closed().await;
    assert_eq!((code, &*reason), (4002, "heartbeat_timeout"));
    assert_eq!(last.unwrap()["disconnect"]["reconnect_after_ms"], 0);
    let mut client = Client::of(&app, &app.token(app.new_user(), &[])).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        client.result(json!({ "ping": {} })).await;
    }
    app.stop().await;
}

//! Who may follow which channel, and who may publish.

use serde_json::{Value, json};
use stoa_auth_api::testing::FakeAuth;
use stoa_db::db_test;
use stoa_events::Channel;
use stoa_kernel::OrganizationRole::{Admin, Guest, Member, Owner};
use stoa_testkit::{TestApp, assert_problem};

use crate::{
    client::Client,
    helpers::{App, numbers, publish},
};

/// What a client is told that subscribes with this token: none if it may.
async fn refusal(app: &TestApp, token: &str, channel: &Channel) -> Option<String> {
    let mut client = Client::of(app, token).await;
    let answer = client.ask(json!({ "subscribe": { "channel": channel } })).await;
    answer["problem"]["code"].as_str().map(str::to_owned)
}

#[db_test]
async fn a_persons_channel_is_theirs_alone(app: App) {
    let (user, other) = (app.new_user(), app.new_user());
    let channel = Channel::user(user);
    let may = |token: String| {
        let (app, channel) = (&app, &channel);
        async move { refusal(app, &token, channel).await }
    };
    assert_eq!(may(app.token(user, &[])).await, None);
    assert_eq!(may(app.token(user, &["*"])).await, None);
    assert_eq!(may(app.api_key(user, &["realtime.read"])).await, None);
    assert_eq!(may(app.token(other, &[])).await.as_deref(), Some("forbidden"));
    // Whatever a role permits on everybody's things.
    assert_eq!(may(app.token(other, &["*"])).await.as_deref(), Some("forbidden"));
    let refused = app.api_key(user, &["profile.read"]);
    assert_eq!(may(refused).await.as_deref(), Some("forbidden"));
    let others = app.api_key(other, &["realtime.read"]);
    assert_eq!(may(others).await.as_deref(), Some("forbidden"));
}

#[db_test]
async fn an_organizations_channel_is_its_members(app: App) {
    let (organization, another) = (app.new_organization(), app.new_organization());
    let channel = Channel::organization(organization);
    for role in [Member, Admin, Owner] {
        let token = app.member_token(app.new_user(), organization, role);
        assert_eq!(refusal(&app, &token, &channel).await, None, "{role:?}");
    }
    let guest = app.member_token(app.new_user(), organization, Guest);
    let refused = refusal(&app, &guest, &channel).await;
    assert_eq!(refused.as_deref(), Some("organization_role_required"));
    let stranger = app.member_token(app.new_user(), another, Owner);
    assert_eq!(
        refusal(&app, &stranger, &channel).await.as_deref(),
        Some("not_found")
    );
    let administrator = app.token(app.new_user(), &["*"]);
    assert_eq!(
        refusal(&app, &administrator, &channel).await.as_deref(),
        Some("not_found")
    );
}

#[db_test]
async fn a_thing_is_open_by_permission_and_by_grant(app: App) {
    let (user, order) = (app.new_user(), app.new_user().uuid());
    let channel = Channel::named("order", order).unwrap();
    let token = app.token(user, &[]);
    assert_eq!(
        refusal(&app, &token, &channel).await.as_deref(),
        Some("forbidden")
    );
    assert_eq!(
        refusal(&app, &app.token(user, &["orders.read"]), &channel).await,
        None
    );
    app.stand_in::<FakeAuth>()
        .grant(user, "orders.read", "order", order);
    assert_eq!(refusal(&app, &token, &channel).await, None);
    let another = Channel::named("order", app.new_user().uuid()).unwrap();
    assert_eq!(
        refusal(&app, &token, &another).await.as_deref(),
        Some("forbidden")
    );
    let key = app.api_key(user, &["realtime.read"]);
    assert_eq!(refusal(&app, &key, &channel).await.as_deref(), Some("forbidden"));
    assert_eq!(
        refusal(&app, &app.api_key(user, &["orders.read"]), &channel).await,
        None
    );
}

#[db_test]
async fn what_can_be_no_channel_is_not_found(app: App) {
    let user = app.new_user();
    let token = app.token(user, &["*"]);
    for name in [
        "nothing:1".to_owned(),
        "user:1".to_owned(),
        format!("user:{}", user.to_string().to_uppercase()),
        format!("user:{}", user.uuid().simple()),
        "organization:x".to_owned(),
    ] {
        let channel: Channel = name.parse().unwrap();
        assert_eq!(
            refusal(&app, &token, &channel).await.as_deref(),
            Some("not_found"),
            "{name}"
        );
        let path = format!("/api/v1/realtime/channels/{name}/messages");
        let read = app.get(&path).bearer(&token).send().await;
        assert_problem(&read, 404, "not_found", &[]);
    }
    for name in ["nothing", "a%20b:c", "user:", "%2e%2e:x/y"] {
        let path = format!("/api/v1/realtime/channels/{name}/messages");
        let read = app.get(&path).bearer(&token).send().await;
        assert_problem(&read, 404, "not_found", &[]);
    }
}

#[db_test]
async fn clients_publish_where_they_may_and_pass_for_no_service(app: App) {
    let (user, organization) = (app.new_user(), app.new_organization());
    let token = app.member_token(user, organization, Member);
    let (own, shared) = (Channel::user(user), Channel::organization(organization));
    let mut reader = Client::of(&app, &app.member_token(app.new_user(), organization, Admin)).await;
    reader.subscribe(&shared).await;
    let mut client = Client::of(&app, &token).await;
    let message = |channel: &Channel, event: &str| json!({ "publish": { "channel": channel, "event": event, "data": { "number": 5 } } });
    let receipt = client.result(message(&shared, "client.typing")).await;
    assert_eq!(receipt["offset"], 1);
    let push = reader.push().await;
    assert_eq!((&push["id"], &push["sender"]), (&receipt["id"], &json!(user)));
    assert_eq!(client.result(message(&own, "client.typing")).await["offset"], 1);
    for event in ["order.packed", "client.", "client", "Client.x", "client.x y", ""] {
        assert_eq!(
            client.refusal(message(&own, event)).await,
            "invalid_input",
            "{event}"
        );
    }
    let order = Channel::named("order", app.new_user().uuid()).unwrap();
    assert_eq!(
        client.refusal(message(&order, "client.x")).await,
        "channel_read_only"
    );
    let others = Channel::user(app.new_user());
    assert_eq!(client.refusal(message(&others, "client.x")).await, "forbidden");
    let guest = app.member_token(app.new_user(), organization, Guest);
    let mut guest = Client::of(&app, &guest).await;
    let refused = guest.refusal(message(&shared, "client.x")).await;
    assert_eq!(refused, "organization_role_required");
    let key = app.api_key(user, &["realtime.read"]);
    let mut key = Client::of(&app, &key).await;
    assert_eq!(key.refusal(message(&own, "client.x")).await, "forbidden");
}

#[db_test]
async fn publishing_and_history_work_without_a_connection(app: App) {
    let user = app.new_user();
    let channel = Channel::user(user);
    let path = format!("/api/v1/realtime/channels/{channel}/messages");
    let token = app.token(user, &[]);
    for number in 0..3 {
        let body = json!({ "event": "client.counted", "data": { "number": number } });
        let made = app
            .post(&path)
            .bearer(&token)
            .json(&body)
            .send()
            .await
            .expect(201)
            .value();
        assert_eq!(
            (&made["offset"], &made["sender"]),
            (&json!(number + 1), &json!(user))
        );
    }
    publish(&app, &channel, 3).await;
    app.settle().await;
    let page = app
        .get(&format!("{path}?limit=2"))
        .bearer(&token)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(numbers(page["items"].as_array().unwrap()), [3, 2]);
    let next = format!("{path}?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
    let page = app.get(&next).bearer(&token).send().await.expect(200).value();
    assert_eq!(numbers(page["items"].as_array().unwrap()), [1, 0]);
    assert_eq!(page["next_cursor"], Value::Null);
    let stranger = app.token(app.new_user(), &["*"]);
    let refused = app.get(&path).bearer(&stranger).send().await;
    assert_problem(&refused, 403, "forbidden", &[]);
    let body = json!({ "event": "order.packed", "data": 1 });
    let refused = app.post(&path).bearer(&token).json(&body).send().await;
    assert_problem(&refused, 422, "invalid_input", &["event"]);
    let body = json!({ "event": "client.x", "data": "x".repeat(65_535) });
    let refused = app.post(&path).bearer(&token).json(&body).send().await;
    assert_problem(&refused, 413, "too_large", &[]);
    let mut client = Client::of(&app, &token).await;
    let past = client
        .result(json!({ "history": { "channel": channel, "after": 1, "limit": 2 } }))
        .await;
    assert_eq!(past["offset"], 4);
    assert_eq!(numbers(past["messages"].as_array().unwrap()), [1, 2]);
}

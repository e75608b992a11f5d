//! Who may not be connected any more is cut off within a second.

use std::time::{Duration, Instant};

use serde_json::json;
use stoa_auth_api::testing::FakeAuth;
use stoa_db::{Engine, db_test};
use stoa_events::Channel;
use stoa_kernel::{Id, OrganizationRole, Period, Timestamp};

use crate::{
    client::Client,
    helpers::{App, builder, publish},
};

/// The code that it is closed with, within a second.
async fn closed(client: &mut Client) -> (u16, bool) {
    let begun = Instant::now();
    let (last, code, _) = client.closed().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let last = last.unwrap();
    (code, last["disconnect"]["reconnect"].as_bool().unwrap())
}

#[db_test]
async fn a_session_that_ends_takes_its_connections_along(app: App) {
    let (user, session) = (app.new_user(), Id::new(app.clock()));
    let token = app.session_token(user, session, &[]);
    let mut others = Client::of(&app, &app.token(user, &[])).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::of(&app, &token).await;
        client.subscribe(&Channel::user(user)).await;
        clients.push(client);
    }
    app.revoke_session(session);
    for client in &mut clients {
        assert_eq!(closed(client).await, (4500, false));
    }
    others.result(json!({ "ping": {} })).await;
    let mut client = Client::open(&app).await;
    let refused = client.refusal(json!({ "connect": { "token": token } })).await;
    assert_eq!(refused, "token_revoked");
}

#[db_test]
async fn a_membership_that_ends_closes_what_its_token_has_opened(app: App) {
    let (user, organization) = (app.new_user(), app.new_organization());
    let channel = Channel::organization(organization);
    let token = app.member_token(user, organization, OrganizationRole::Member);
    let mut client = Client::of(&app, &token).await;
    client.subscribe(&channel).await;
    // As auth does when a membership changes: the account's tokens are stale.
    app.verifier().raise_version(user, 1, Timestamp::MAX);
    assert_eq!(closed(&mut client).await, (4004, true));
    publish(&app, &channel, 1).await;
    let fresh = app.sign(&stoa_http::Claims {
        ver: 1,
        ..app.claims(user, Id::new(app.clock()), &[])
    });
    let mut client = Client::of(&app, &fresh).await;
    let refused = client
        .refusal(json!({ "subscribe": { "channel": channel } }))
        .await;
    assert_eq!(refused, "not_found");
}

#[db_test]
async fn an_api_key_that_is_deleted_is_cut_off(app: App) {
    let user = app.new_user();
    let key = app.api_key(user, &["realtime.read"]);
    let mut client = Client::of(&app, &key).await;
    client.subscribe(&Channel::user(user)).await;
    app.revoke_api_key(&key);
    assert_eq!(closed(&mut client).await, (4501, false));
}

#[db_test]
async fn a_token_expires_unless_a_fresh_one_comes_in_time(app: App) {
    let user = app.new_user();
    let channel = Channel::user(user);
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::of(&app, &app.token(user, &[])).await;
        client.subscribe(&channel).await;
        clients.push(client);
    }
    let mut refreshed = clients.pop().unwrap();
    app.clock().advance(Duration::from_secs(3000));
    let other = app.token(app.new_user(), &[]);
    let refused = refreshed.refusal(json!({ "refresh": { "token": other } })).await;
    assert_eq!(refused, "other_user");
    let fresh = app.token(user, &[]);
    refreshed.result(json!({ "refresh": { "token": fresh } })).await;
    app.clock().advance(Duration::from_secs(700));
    assert_eq!(closed(&mut clients[0]).await, (4003, true));
    publish(&app, &channel, 1).await;
    assert_eq!(refreshed.push().await["offset"], 1);
}

#[db_test]
async fn a_fresh_token_with_fewer_rights_loses_what_it_may_not_follow(app: App) {
    let (user, organization) = (app.new_user(), app.new_organization());
    let (own, shared) = (Channel::user(user), Channel::organization(organization));
    let token = app.member_token(user, organization, OrganizationRole::Member);
    let mut client = Client::of(&app, &token).await;
    client.subscribe(&own).await;
    client.subscribe(&shared).await;
    client
        .result(json!({ "refresh": { "token": app.token(user, &[]) } }))
        .await;
    let told = client.push().await;
    assert_eq!(
        told,
        json!({ "unsubscribed": { "channel": shared, "code": "forbidden" } })
    );
    publish(&app, &shared, 1).await;
    publish(&app, &own, 2).await;
    assert_eq!(client.push().await["channel"], json!(own));
}

#[tokio::test]
async fn a_grant_that_is_taken_back_ends_what_it_had_opened() {
    let app = builder(|config| config.grants_recheck = Period(Duration::from_millis(200)));
    let app = app.start(Engine::Sqlite).await;
    let (user, order) = (app.new_user(), app.new_user().uuid());
    let channel = Channel::named("order", order).unwrap();
    app.stand_in::<FakeAuth>()
        .grant(user, "orders.read", "order", order);
    let mut client = Client::of(&app, &app.token(user, &[])).await;
    client.subscribe(&channel).await;
    app.stand_in::<FakeAuth>().take_grants(user);
    let told = client.push().await;
    assert_eq!(
        told,
        json!({ "unsubscribed": { "channel": channel, "code": "forbidden" } })
    );
    app.stop().await;
}

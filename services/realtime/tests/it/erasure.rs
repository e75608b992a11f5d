//! What is held on a person, or an organization, goes with them.

use serde_json::json;
use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_db::db_test;
use stoa_events::Channel;
use stoa_kernel::OrganizationRole::Member;
use stoa_testkit::TestApp;

use crate::{
    client::Client,
    helpers::{App, publish},
};

async fn count(app: &TestApp, sql: &str) -> i64 {
    app.db().fetch_one(sql, &[]).await.unwrap()
}

#[db_test]
async fn a_persons_channel_goes_and_does_not_come_back(app: App) {
    let (user, organization) = (app.new_user(), app.new_organization());
    let (own, shared) = (Channel::user(user), Channel::organization(organization));
    let token = app.member_token(user, organization, Member);
    for number in 0..700 {
        publish(&app, &own, number).await;
    }
    let mut client = Client::of(&app, &token).await;
    let message = json!({ "channel": shared, "event": "client.x", "data": "mine" });
    client.result(json!({ "publish": message })).await;
    publish(&app, &shared, 1).await;
    app.post("/api/v1/realtime/tickets")
        .bearer(&token)
        .send()
        .await
        .expect(201);
    app.settle().await;
    app.emit(&UserErased { user_id: user }).await;
    app.settle().await;
    publish(&app, &own, 1000).await;
    app.settle().await;
    assert_eq!(count(&app, "SELECT COUNT(*) FROM messages").await, 2);
    assert_eq!(
        count(&app, "SELECT COUNT(*) FROM messages WHERE sender_id IS NOT NULL").await,
        0
    );
    assert_eq!(
        count(&app, "SELECT COUNT(*) FROM messages WHERE data LIKE '%mine%'").await,
        0
    );
    assert_eq!(count(&app, "SELECT COUNT(*) FROM tickets").await, 0);
    assert_eq!(count(&app, "SELECT COUNT(*) FROM channels").await, 1);
    let message = json!({ "channel": own, "event": "client.x", "data": 1 });
    assert_eq!(
        client.refusal(json!({ "publish": message })).await,
        "channel_closed"
    );
    // The others miss nothing by it.
    let token = app.member_token(app.new_user(), organization, Member);
    let mut other = Client::of(&app, &token).await;
    let back = other.recover(&shared, &json!(""), 0).await;
    assert_eq!(back["recovered"], true);
    assert_eq!(other.pushes(2).await[0]["data"], json!(null));
}

#[db_test]
async fn an_organizations_channel_goes_with_it(app: App) {
    let organization = app.new_organization();
    let channel = Channel::organization(organization);
    for number in 0..3 {
        publish(&app, &channel, number).await;
    }
    app.settle().await;
    app.emit(&OrganizationPurged {
        organization_id: organization,
    })
    .await;
    app.settle().await;
    publish(&app, &channel, 3).await;
    app.settle().await;
    assert_eq!(count(&app, "SELECT COUNT(*) FROM messages").await, 0);
    assert_eq!(count(&app, "SELECT COUNT(*) FROM channels").await, 0);
}

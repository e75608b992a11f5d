//! What is published reaches everybody, in order, once.

use futures::future::join_all;
use serde_json::json;
use stoa_db::db_test;
use stoa_events::Channel;
use stoa_kernel::OrganizationRole::Member;

use crate::{
    client::Client,
    helpers::{App, numbers, publish},
};

#[db_test]
async fn everybody_is_sent_everything_in_one_order(app: App) {
    let organization = app.new_organization();
    let channel = Channel::organization(organization);
    let mut readers = Vec::new();
    for _ in 0..10 {
        let token = app.member_token(app.new_user(), organization, Member);
        let mut reader = Client::of(&app, &token).await;
        reader.subscribe(&channel).await;
        readers.push(reader);
    }
    // Services and clients, at once.
    let services = async {
        for number in 0..30 {
            publish(&app, &channel, number).await;
        }
    };
    let clients = (0..3).map(|_| async {
        let token = app.member_token(app.new_user(), organization, Member);
        let mut client = Client::of(&app, &token).await;
        for number in 0..10 {
            let message = json!({ "channel": channel, "event": "client.x", "data": { "number": number } });
            client.result(json!({ "publish": message })).await;
        }
    });
    tokio::join!(services, join_all(clients));
    app.settle().await;
    let mut all = Vec::new();
    for reader in &mut readers {
        let pushes = reader.pushes(60).await;
        let offsets: Vec<_> = pushes
            .iter()
            .map(|push| push["offset"].as_i64().unwrap())
            .collect();
        assert_eq!(offsets, (1..=60).collect::<Vec<_>>());
        let of_services: Vec<_> = pushes
            .iter()
            .filter(|push| push["event"] == "order.packed")
            .cloned()
            .collect();
        assert_eq!(numbers(&of_services), (0..30).collect::<Vec<_>>());
        assert!(reader.is_silent().await);
        all.push(pushes);
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]));
}

#[db_test]
async fn each_channel_goes_its_own_way(app: App) {
    let users = [app.new_user(), app.new_user()];
    let mut clients = Vec::new();
    for user in users {
        let mut client = Client::of(&app, &app.token(user, &[])).await;
        client.subscribe(&Channel::user(user)).await;
        clients.push(client);
    }
    for number in 0..5 {
        for (at, user) in users.into_iter().enumerate() {
            publish(
                &app,
                &Channel::user(user),
                number * 10 + i64::try_from(at).unwrap(),
            )
            .await;
        }
    }
    assert_eq!(numbers(&clients[0].pushes(5).await), [0, 10, 20, 30, 40]);
    assert_eq!(numbers(&clients[1].pushes(5).await), [1, 11, 21, 31, 41]);
}

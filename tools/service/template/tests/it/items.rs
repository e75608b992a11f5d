//! Whose items are seen by whom, how many there can be, and how they are deleted.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use stoa___name__::{__Name__Config, SERVICE, events::ItemCreated};
use stoa_auth_api::events::{OrganizationPurged, UserErased};
use stoa_db::db_test;
use stoa_kernel::{OrganizationRole, Owner};
use stoa_testkit::{Answer, TestApp, assert_problem, eventually, settings};

const ITEMS: &str = "/api/v1/__name__/items";

stoa_testkit::app!(
    App,
    TestApp::builder().service(&SERVICE, |env| {
        let config = __Name__Config {
            items_max: 3,
            ..settings("__name__")
        };
        stoa___name__::service(env, config)
    })
);

async fn create(app: &App, token: &str, name: &str) -> Answer {
    app.post(ITEMS).bearer(token).json(&json!({"name": name})).send().await
}

async fn names(app: &App, token: &str) -> Vec<String> {
    let page: Value = app.get(ITEMS).bearer(token).send().await.expect(200).value();
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect()
}

#[db_test]
async fn an_item_is_ones_own_and_goes_with_the_person_and_with_time(app: App) {
    let (ada, bob) = (app.new_user(), app.new_user());
    let (ada_token, bob_token) = (app.token(ada, &[]), app.token(bob, &[]));
    for (token, name) in [(&ada_token, "one"), (&ada_token, "two"), (&bob_token, "three")] {
        assert_eq!(create(&app, token, name).await.expect(201).value()["name"], name);
    }
    assert_eq!(names(&app, &ada_token).await, ["two", "one"]);
    let told = app.emitted_one(|event: &ItemCreated| event.owner == Owner::User(bob)).await;
    let entries = app.audited("item.create").await;
    assert_eq!(
        (entries.len(), entries[0].actor, entries[0].resource_id),
        (3, Some(bob), Some(told.item_id.uuid()))
    );
    app.emit(&UserErased { user_id: ada }).await;
    app.settle().await;
    assert!(names(&app, &ada_token).await.is_empty());
    assert_eq!(names(&app, &bob_token).await, ["three"]);
    app.advance(Duration::from_secs(366 * 24 * 3600)).await;
    let bob_token = app.token(bob, &[]);
    eventually("what is older than it is kept is gone", async || names(&app, &bob_token).await.is_empty())
    .await;
}

#[db_test]
async fn members_see_and_make_items_of_their_organization_as_their_role_permits(app: App) {
    let (ours, theirs) = (app.new_organization(), app.new_organization());
    let member = app.member_token(app.new_user(), ours, OrganizationRole::Member);
    let guest = app.member_token(app.new_user(), ours, OrganizationRole::Guest);
    let make = async |token: &str, organization| {
        let body = json!({"name": "shared", "organization_id": organization});
        app.post(ITEMS).bearer(token).json(&body).send().await
    };
    let list = async |token: &str, organization| {
        app.get(&format!("{ITEMS}?organization_id={organization}")).bearer(token).send().await
    };
    make(&member, ours).await.expect(201);
    assert_problem(&make(&guest, ours).await, 403, "organization_role_required", &[]);
    for stranger in [make(&member, theirs).await, list(&member, theirs).await] {
        assert_problem(&stranger, 404, "not_found", &[]);
    }
    for token in [&member, &guest] {
        let page = list(token, ours).await.expect(200).value();
        assert_eq!(page["items"][0]["name"], "shared");
        assert!(names(&app, token).await.is_empty(), "they are not one's own");
    }
    assert_eq!(app.audited("item.create").await[0].organization_id, Some(ours));
    app.emit(&OrganizationPurged { organization_id: ours }).await;
    app.settle().await;
    assert_eq!(list(&guest, ours).await.expect(200).value()["items"], json!([]));
}

#[db_test]
async fn there_is_room_for_so_many_also_when_all_come_at_once(app: App) {
    let token = app.token(app.new_user(), &[]);
    let answers = stream::iter(0..12).map(|_| create(&app, &token, "x"));
    let answers: Vec<_> = answers.buffer_unordered(12).collect().await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status() == 201);
    assert_eq!(made.len(), 3);
    for answer in refused {
        assert_problem(answer, 409, "items_full", &[]);
    }
    assert_eq!(names(&app, &token).await.len(), 3);
}

#[db_test]
async fn nothing_comes_back_of_who_was_erased(app: App) {
    for _ in 0..10 {
        let user = app.new_user();
        let token = app.token(user, &[]);
        let requests = stream::iter(0..3).map(|_| create(&app, &token, "x"));
        let erased = UserErased { user_id: user };
        futures::join!(requests.buffer_unordered(3).count(), app.emit(&erased));
        app.settle().await;
        assert_problem(&create(&app, &token, "late").await, 401, "token_revoked", &[]);
        assert!(names(&app, &token).await.is_empty());
    }
}

#[db_test]
async fn the_same_request_again_makes_nothing_more(app: App) {
    let token = app.token(app.new_user(), &[]);
    let once = || app.post(ITEMS).bearer(&token).idempotency_key("first");
    let first = once().json(&json!({"name": "one"})).send().await.expect(201).value();
    let again = once().json(&json!({"name": "one"})).send().await.expect(201).value();
    assert_eq!(first, again);
    assert_eq!(names(&app, &token).await, ["one"]);
}

#[db_test]
async fn what_is_no_item_is_refused_and_so_are_strangers(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    for name in ["", " ", "\u{200b}\u{2060}", "\u{3164}", "a\u{0}b", &"x".repeat(101)] {
        assert_problem(&create(&app, &token, name).await, 422, "invalid_input", &["name"]);
    }
    let post = async |body: Value| app.post(ITEMS).bearer(&token).json(&body).send().await;
    assert_problem(&post(json!({})).await, 422, "invalid_input", &["name"]);
    let unknown = post(json!({"name": "x", "color": "red"})).await;
    assert_problem(&unknown, 422, "invalid_input", &["color"]);
    for (query, field) in [("cursor=x", "cursor"), ("limit=0", "limit"), ("page=1", "page")] {
        let answer = app.get(&format!("{ITEMS}?{query}")).bearer(&token).send().await;
        assert_problem(&answer, 422, "invalid_input", &[field]);
    }
    assert_problem(&app.get(ITEMS).send().await, 401, "unauthenticated", &[]);
    let key = app.api_key(user, &["items.read"]);
    assert!(app.get(ITEMS).api_key(&key).send().await.expect(200).value()["items"].is_array());
    let answer = app.post(ITEMS).api_key(&key).json(&json!({"name": "x"})).send().await;
    assert_problem(&answer, 403, "forbidden", &[]);
    assert!(names(&app, &token).await.is_empty());
}

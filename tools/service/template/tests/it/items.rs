//! Items.

use std::time::Duration;

use serde_json::{Value, json};
use stoa___name__::{__Name__Config, SERVICE};
use stoa_auth_api::events::UserErased;
use stoa_db::db_test;
use stoa_testkit::{TestApp, assert_problem, eventually, settings};

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
        let made = app.post(ITEMS).bearer(token).json(&json!({"name": name})).send().await;
        assert_eq!(made.expect(201).value()["name"], name);
    }
    assert_eq!(names(&app, &ada_token).await, ["two", "one"]);
    app.emit(&UserErased { user_id: ada }).await;
    app.settle().await;
    assert!(names(&app, &ada_token).await.is_empty());
    assert_eq!(names(&app, &bob_token).await, ["three"]);
    app.advance(Duration::from_secs(366 * 24 * 3600)).await;
    let bob_token = app.token(bob, &[]);
    eventually("what is older than it is kept is gone", || async {
        names(&app, &bob_token).await.is_empty()
    })
    .await;
}

#[db_test]
async fn there_is_room_for_so_many_and_for_nobody_unknown(app: App) {
    let token = app.token(app.new_user(), &[]);
    let make = async || app.post(ITEMS).bearer(&token).json(&json!({"name": "x"})).send().await;
    for _ in 0..3 {
        make().await.expect(201);
    }
    assert_problem(&make().await, 409, "__name___full", &[]);
    assert_problem(&app.get(ITEMS).send().await, 401, "unauthenticated", &[]);
}

#[db_test]
async fn what_is_no_name_is_refused_and_so_is_a_key_without_the_scope(app: App) {
    let user = app.new_user();
    let token = app.token(user, &[]);
    for name in ["", " ", "\u{200b}", "a\u{0}b", &"x".repeat(101)] {
        let answer = app.post(ITEMS).bearer(&token).json(&json!({"name": name})).send().await;
        assert_problem(&answer, 422, "invalid_input", &["name"]);
    }
    let key = app.api_key(user, &["__name___items.read"]);
    assert!(app.get(ITEMS).api_key(&key).send().await.expect(200).value()["items"].is_array());
    let answer = app.post(ITEMS).api_key(&key).json(&json!({"name": "x"})).send().await;
    assert_problem(&answer, 403, "forbidden", &[]);
    assert!(names(&app, &token).await.is_empty());
}

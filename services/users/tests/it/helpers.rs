//! The app that the tests run, and what they do with it again and again.

use serde_json::Value;
use stoa_auth_api::{events::UserRegistered, testing::FakeAuth};
use stoa_db::{Db, FromRow};
use stoa_kernel::UserId;
use stoa_testkit::{Answer, Builder, TestApp, settings};
use stoa_users::UsersConfig;

stoa_testkit::app!(
    /// users as it is by default.
    pub(crate) App,
    builder(|_| {})
);

pub(crate) fn builder(change: impl FnOnce(&mut UsersConfig)) -> Builder {
    let mut config: UsersConfig = settings("users");
    change(&mut config);
    TestApp::builder()
        .service(&stoa_users::SERVICE, |env| stoa_users::service(env, config))
        .stand_in(FakeAuth::default(), FakeAuth::serve)
}

/// As auth tells of a new account.
pub(crate) async fn register(app: &TestApp, first: &str, last: &str) -> UserId {
    let user = app.new_user();
    emit_registered(app, user, first, last).await;
    app.settle().await;
    user
}

pub(crate) async fn emit_registered(app: &TestApp, user_id: UserId, first: &str, last: &str) {
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let event = UserRegistered {
        user_id,
        email: format!("{user_id}@example.com"),
        first_name: name(first),
        last_name: name(last),
    };
    app.emit(&event).await;
}

/// The person's own view of their profile.
pub(crate) async fn me(app: &TestApp, user: UserId) -> Value {
    app.get("/api/v1/users/me")
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200)
        .value()
}

/// Sets a preference.
pub(crate) async fn put_preference(app: &TestApp, user: UserId, key: &str, value: &Value) -> Answer {
    let path = format!("/api/v1/users/me/preferences/{key}");
    app.put(&path)
        .bearer(&app.token(user, &[]))
        .json(&serde_json::json!({ "value": value }))
        .send()
        .await
}

/// All of the person's activity, newest first.
pub(crate) async fn activity(app: &TestApp, user: UserId) -> Vec<Value> {
    let path = "/api/v1/users/me/activity?limit=100";
    let page = app
        .get(path)
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(page["next_cursor"], Value::Null);
    page["items"].as_array().unwrap().clone()
}

/// Actions of the person's activity, newest first.
pub(crate) async fn actions(app: &TestApp, user: UserId) -> Vec<String> {
    let entries = activity(app, user).await;
    entries
        .iter()
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .collect()
}

/// Rows of a table of users.
pub(crate) async fn count(app: &TestApp, table: &str) -> i64 {
    one(app.db(), &format!("SELECT COUNT(*) FROM {table}")).await
}

pub(crate) async fn one<T: FromRow>(db: &Db, sql: &str) -> T {
    db.fetch_one(sql, &[]).await.unwrap()
}

//! The app that the tests run, and what they do with it again and again.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use stoa_auth_api::testing::FakeAuth;
use stoa_db::FromRow;
use stoa_storage::StorageConfig;
use stoa_testkit::{Answer, Builder, Client, TestApp, settings};

pub(crate) const BUCKETS: &str = "/api/v1/storage/buckets";

stoa_testkit::app!(
    /// storage as it is by default.
    pub(crate) App,
    builder(|_| {})
);

pub(crate) fn builder(change: impl FnOnce(&mut StorageConfig)) -> Builder {
    let mut config: StorageConfig = settings("storage");
    change(&mut config);
    TestApp::builder()
        .service(&stoa_storage::SERVICE, |env| stoa_storage::service(env, config))
        .stand_in(FakeAuth::default(), FakeAuth::serve)
}

pub(crate) fn url(bucket: &str, path: &str) -> String {
    format!("/api/v1/storage/{bucket}/{path}")
}

/// Makes a bucket with these settings besides its name.
pub(crate) async fn make_bucket(app: &Client, token: &str, name: &str, more: Value) -> Answer {
    let mut body = json!({ "name": name });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    app.post(BUCKETS).bearer(token).json(&body).send().await
}

/// Somebody's token, and a private bucket of theirs.
pub(crate) async fn somebody(app: &TestApp, bucket: &str) -> String {
    let token = app.token(app.new_user(), &[]);
    make_bucket(app, &token, bucket, json!({})).await.expect(201);
    token
}

pub(crate) async fn put(app: &Client, token: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    app.put(path)
        .bearer(token)
        .body("text/plain", body.into())
        .send()
        .await
}

pub(crate) async fn get(app: &Client, token: &str, path: &str) -> Answer {
    app.get(path).bearer(token).send().await
}

/// Keys of all stored bytes.
pub(crate) async fn stored(app: &TestApp) -> Vec<String> {
    let objects = app.env().objects.list("storage").await.unwrap();
    objects.into_iter().map(|object| object.key).collect()
}

/// Rows of a table of storage.
pub(crate) async fn count(app: &TestApp, table: &str) -> i64 {
    one(app, &format!("SELECT COUNT(*) FROM {table}")).await
}

pub(crate) async fn one<T: FromRow>(app: &TestApp, sql: &str) -> T {
    app.db().fetch_one(sql, &[]).await.unwrap()
}

/// What the token's user uses: buckets, objects, bytes.
pub(crate) async fn usage(app: &Client, token: &str) -> (i64, i64, i64) {
    let usage = get(app, token, "/api/v1/storage/usage").await.expect(200).value();
    let number = |key: &str| usage[key].as_i64().unwrap();
    (number("buckets"), number("objects"), number("bytes"))
}

/// As many bytes, no two blocks of them alike.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| ((n * 7 + n / 251) % 256) as u8).collect()
}

/// The folder of the object store.
pub(crate) fn folder(app: &TestApp) -> PathBuf {
    app.env().data_dir.join("../../objects")
}

/// Has the object store refuse to delete all that it has; the keys of that.
pub(crate) async fn take_away(app: &TestApp) -> Vec<String> {
    let keys = stored(app).await;
    for key in &keys {
        let file = folder(app).join(key);
        fs::rename(&file, file.with_extension("away")).unwrap();
        // A folder is not deleted as a file is.
        fs::create_dir(file).unwrap();
    }
    keys
}

/// Brings back what was taken away.
pub(crate) fn bring_back(app: &TestApp, keys: &[String]) {
    for key in keys {
        let file = folder(app).join(key);
        fs::remove_dir(&file).unwrap();
        fs::rename(file.with_extension("away"), file).unwrap();
    }
}

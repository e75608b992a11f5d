//! A clock that is ahead for a moment.

use std::time::Duration;

use serde_json::json;
use stoa_auth_api::events::CredentialsRevoked;
use stoa_db::db_test;
use stoa_kernel::Timestamp;
use stoa_testkit::{TestApp, eventually};

use crate::{
    helpers::{App, BUCKETS, count, get, make_bucket, one, url},
    renditions::picture,
};

const AHEAD: Duration = Duration::from_secs(400 * 24 * 3600);

async fn running(app: &TestApp, queue: &str) -> bool {
    let sql = "SELECT COUNT(*) FROM jobs WHERE queue = $1 AND state = 'running'";
    app.db().fetch_one::<i64>(sql, &[&queue]).await.unwrap() > 0
}

#[db_test]
async fn nothing_is_deleted_by_a_clock_that_is_ahead_for_a_moment(app: App) {
    let token = app.token(app.new_user(), &[]);
    make_bucket(&app, &token, "data", json!({})).await.expect(201);
    let image = picture(40, 20, image::ImageFormat::Png);
    let call = app.put(&url("data", "a.png")).bearer(&token);
    call.body("image/png", image).send().await.expect(201);
    get(&app, &token, &format!("{}?width=10", url("data", "a.png")))
        .await
        .expect(200);
    for (what, body, status) in [
        (
            "links",
            json!({"kind": "download", "path": "a.png", "expires_in": 86_400}),
            201,
        ),
        ("operations", json!({"kind": "delete", "prefix": "no/"}), 202),
    ] {
        let call = app.post(&format!("{BUCKETS}/data/{what}")).bearer(&token);
        call.json(&body).send().await.expect(status);
    }
    let other = app.new_user();
    app.emit(&CredentialsRevoked { user_id: other }).await;
    app.settle().await;

    // When bytes are about to be compared with their checksums.
    app.clock().advance(AHEAD);
    eventually("bytes are compared", || running(&app, "storage.verify")).await;
    app.clock().set_back(AHEAD);
    app.settle().await;
    let checked: Timestamp = one(&app, "SELECT MAX(checked_at) FROM chunks").await;
    assert!(checked <= app.clock().now(), "it is not compared for so long");
    nothing_is_deleted(&app).await;

    // While a purge is under way.
    eventually("schedules are as before", async || {
        let next: Timestamp = one(&app, "SELECT MAX(next_at) FROM schedules").await;
        next < app.clock().after(AHEAD / 2)
    })
    .await;
    app.clock().advance(Duration::from_secs(3600));
    eventually("the purge is under way", || running(&app, "storage.purge")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.clock().advance(AHEAD);
    eventually("it is over", async || !running(&app, "storage.purge").await).await;
    app.clock().set_back(AHEAD);
    app.settle().await;
    nothing_is_deleted(&app).await;
}

async fn nothing_is_deleted(app: &TestApp) {
    for table in ["links", "operations", "renditions", "revocations"] {
        assert_eq!(count(app, table).await, 1, "{table}");
    }
}

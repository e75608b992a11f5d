//! What has expired goes, in transactions that others need not wait for.

use std::time::Duration;

use stoa_db::db_test;
use stoa_kernel::Timestamp;
use stoa_testkit::{TestApp, eventually};

use crate::{App, register};

const ROWS: i64 = 1300;

async fn count(app: &TestApp, table: &str) -> i64 {
    app.db()
        .fetch_one(&format!("SELECT COUNT(*) FROM {table}"), &[])
        .await
        .unwrap()
}

/// So many tokens and revocations whose time is over at `until`.
async fn expire(app: &TestApp, until: Timestamp) {
    let user: uuid::Uuid = app
        .db()
        .fetch_one("SELECT id FROM accounts LIMIT 1", &[])
        .await
        .unwrap();
    let mut tx = app.db().begin().await.unwrap();
    for number in 0..ROWS {
        let hash = number.to_be_bytes();
        let token = "INSERT INTO refresh_tokens (hash, session_id, user_id, created_at, expires_at) VALUES ($1, $2, $2, $3, $3)";
        tx.execute(token, &[&hash.as_slice(), &user, &until])
            .await
            .unwrap();
        let session = uuid::Uuid::from_u128(u128::try_from(number).unwrap());
        let revoked = "INSERT INTO revoked_sessions (session_id, user_id, until) VALUES ($1, $2, $3)";
        tx.execute(revoked, &[&session, &user, &until]).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[db_test]
async fn everything_that_has_expired_goes_within_the_hour_and_nothing_else(app: App) {
    register(&app, "ada@example.org").await;
    let now = app.clock().now();
    expire(&app, now).await;
    assert_eq!(count(&app, "refresh_tokens").await, ROWS + 1);
    app.advance(Duration::from_secs(3700)).await;
    eventually("what has expired is deleted", async || {
        count(&app, "refresh_tokens").await <= 1 && count(&app, "revoked_sessions").await == 0
    })
    .await;
    assert_eq!(count(&app, "sessions").await, 1, "what has not stays");
}

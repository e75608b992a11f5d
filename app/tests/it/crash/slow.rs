//! A slow or locked query on PostgreSQL holds up nobody who asks for something else.

use std::time::{Duration, Instant};

use stoa_db::{Db, DbOptions};

use super::number;
use crate::{
    postgres::Database,
    stoa::{Caller, Stoa, folder, token},
    system,
};

/// Queries that wait for the lock.
const WAITING: usize = 24;
/// Who signs in: nobody may have sessions without end, so not who asks for something else.
const SIGNS_IN: &str = "bob@example.com";
/// By how much the slowest sign-ins may be slower, and the least that counts as slow.
const FACTOR: u32 = 3;
const LEAST: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_query_makes_signing_in_no_slower_and_health_stays_well() {
    if !system::is_embedded("one process is enough") {
        return;
    }
    let sign_ins = number("STOA_TEST_SIGN_INS").unwrap_or(100_usize);
    let (_scratch, data_dir) = folder();
    let database = Database::new().await;
    let url = database.url();
    let stoa = Stoa::serve_with(
        &data_dir,
        &[
            ("DATABASE__URL", url.as_str()),
            ("AUTH__RATE_LIMIT__LOGIN_PER_ADDRESS", "off"),
            ("AUTH__RATE_LIMIT__LOGIN_PER_ACCOUNT", "off"),
        ],
    );
    let ada = stoa.register("ada@example.com").await;
    stoa.register(SIGNS_IN).await;
    // Once, as it is while a service runs: then the statements are prepared.
    let keys = stoa.get("/api/v1/auth/api-keys", token(&ada)).await;
    assert_eq!(keys.status(), 200);
    let before = slowest(&stoa, sign_ins).await;

    let other = Db::open(DbOptions::new(&url, "auth")).await.unwrap();
    let mut lock = other.begin().await.unwrap();
    lock.execute("LOCK TABLE api_keys", &[]).await.unwrap();
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let (caller, token) = (Caller::clone(&stoa), token(&ada).to_owned());
            tokio::spawn(async move { caller.get("/api/v1/auth/api-keys", &token).await.status() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let meanwhile = slowest(&stoa, sign_ins).await;
    let me = stoa.get("/api/v1/auth/me", token(&ada)).await;
    assert_eq!(me.status(), 200);
    assert_eq!(stoa.look("/health/ready").await.status(), 200);
    lock.rollback().await;
    for one in waiting {
        one.await.unwrap();
    }
    println!("slow: 99 of 100 sign in within {before:?}, and with a locked table within {meanwhile:?}");
    assert!(
        meanwhile <= (before * FACTOR).max(LEAST),
        "{before:?} without a locked table, {meanwhile:?} with one"
    );
    drop(stoa);
    other.close().await;
    database.remove().await;
}

/// The time within which 99 of 100 sign in.
async fn slowest(stoa: &Stoa, count: usize) -> Duration {
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        stoa.login(SIGNS_IN).await;
        times.push(begun.elapsed());
    }
    times.sort();
    times[count * 99 / 100 - 1]
}

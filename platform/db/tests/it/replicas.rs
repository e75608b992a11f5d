//! Reads from a streaming replica, and from the primary whenever that would be too old.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use stoa_db::{Db, DbOptions, Error, reads};
use stoa_engines::Postgres;

const COUNT: &str = "SELECT COUNT(*) FROM things";

async fn open(primary: &Postgres, replica: &Postgres, pooler: bool) -> Db {
    let db = Db::open(DbOptions {
        replica_url: Some(replica.url()),
        wait: Duration::from_secs(2),
        pooler,
        ..DbOptions::new(primary.url(), "test")
    })
    .await
    .unwrap();
    db.execute("CREATE TABLE IF NOT EXISTS things (id BIGINT)", &[])
        .await
        .unwrap();
    db
}

fn ago(seconds: i64) -> Timestamp {
    stoa_kernel::Clock::system().now() - SignedDuration::from_secs(seconds)
}

async fn add(db: &Db) {
    db.execute("INSERT INTO things (id) VALUES (1)", &[])
        .await
        .unwrap();
}

async fn count(db: &Db) -> i64 {
    db.fetch_one(COUNT, &[]).await.unwrap()
}

/// As seen by somebody who wrote last before that time.
async fn count_since(db: &Db, since: Timestamp) -> i64 {
    reads::scope(since, count(db)).await.0
}

/// Waits until the replica answers: whether a read comes from one, only the server that it comes from can tell.
async fn is_read_from(db: &Db) -> bool {
    let replica = "SELECT pg_is_in_recovery()";
    for _ in 0..100 {
        let (from, _) = reads::scope(ago(20), db.fetch_one::<bool>(replica, &[])).await;
        if from.unwrap() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wrote_reads_their_own_write_and_who_did_not_may_read_older() {
    let primary = Postgres::start();
    let replica = primary.replica();
    for pooler in [false, true] {
        let db = open(&primary, &replica, pooler).await;
        add(&db).await;
        let before = count(&db).await;
        assert!(is_read_from(&db).await);
        replica.sql("SELECT pg_wal_replay_pause()");
        add(&db).await;
        assert_eq!(count_since(&db, ago(20)).await, before, "an older state");
        assert_eq!(count_since(&db, ago(0)).await, before + 1, "one's own write");
        assert_eq!(
            count(&db).await,
            before + 1,
            "nobody said that an older one will do"
        );
        let story = async {
            assert_eq!(count(&db).await, before);
            add(&db).await;
            assert_eq!(
                count(&db).await,
                before + 2,
                "after a write within the same request"
            );
            let mut tx = db.begin().await.unwrap();
            assert_eq!(tx.fetch_one::<i64>(COUNT, &[]).await.unwrap(), before + 2);
        };
        assert!(
            reads::scope(ago(20), story).await.1,
            "it is told that something was written"
        );
        // What another process committed is covered by the same rule: the time alone counts.
        let other = open(&primary, &replica, pooler).await;
        add(&other).await;
        assert_eq!(count_since(&db, ago(0)).await, before + 3);
        replica.sql("SELECT pg_wal_replay_resume()");
        for _ in 0..200 {
            if count_since(&db, ago(20)).await == before + 3 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(count_since(&db, ago(20)).await, before + 3);
        db.close().await;
        other.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_away_or_hangs_is_not_missed() {
    let primary = Postgres::start();
    let mut replica = primary.replica();
    let db = open(&primary, &replica, false).await;
    assert!(is_read_from(&db).await);
    replica.kill();
    add(&db).await;
    for _ in 0..20 {
        assert_eq!(count_since(&db, ago(20)).await, 1);
    }
    replica.start_again();
    assert!(is_read_from(&db).await, "once it is back it is used again");
    replica.pause();
    // At most one read waits for its limit, and is answered all the same.
    for _ in 0..5 {
        assert_eq!(count_since(&db, ago(20)).await, 1);
    }
    replica.resume();
    assert!(is_read_from(&db).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_replica_is_not_read_from() {
    let (primary, other) = (Postgres::start(), Postgres::start());
    let db = open(&primary, &other, false).await;
    add(&db).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(count_since(&db, ago(20)).await, 1);
    let refused = Db::open(DbOptions {
        replica_url: Some("postgres://stoa:hunter2@x:port/y".to_owned()),
        ..DbOptions::new(primary.url(), "test")
    });
    let refused = refused.await.err();
    assert!(
        matches!(&refused, Some(Error::Replica(said)) if said.contains("replica_url") && !said.contains("hunter2")),
        "{refused:?}"
    );
    let replica = primary.replica();
    let refused = Db::open(DbOptions::new(replica.url(), "test")).await.err();
    assert!(
        matches!(&refused, Some(Error::Open(said)) if said.contains("name the primary")),
        "{refused:?}"
    );
}

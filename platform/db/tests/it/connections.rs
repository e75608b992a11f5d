//! PostgreSQL's connections: shared, dropped half-way, and lost.

use std::time::Duration;

use stoa_db::{Db, DbOptions, Engine, Error, testing::TestDatabase};

const TABLE: &str = "CREATE TABLE things (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)";

async fn one_connection(place: &TestDatabase) -> Db {
    let options = DbOptions {
        connections: 1,
        wait: Duration::from_millis(500),
        ..place.options("test")
    };
    let db = Db::open(options).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    db
}

async fn ids(db: &Db) -> Vec<i64> {
    db.fetch_all("SELECT id FROM things ORDER BY id", &[])
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_dropped_leaves_its_connection_clean() {
    let place = TestDatabase::new(Engine::Postgres);
    let db = one_connection(&place).await;
    for id in 0..20_i64 {
        let mut tx = db.begin().await.unwrap();
        tx.execute("INSERT INTO things (id, n) VALUES ($1, 0)", &[&id])
            .await
            .unwrap();
        if id % 2 == 0 {
            let _ = tx
                .execute("INSERT INTO things (id, n) VALUES ($1, 0)", &[&id])
                .await;
        }
        drop(tx);
        // On the same connection: were the transaction still open, this would be part of it.
        db.execute("INSERT INTO things (id, n) VALUES ($1, 1)", &[&(id + 100)])
            .await
            .unwrap();
    }
    assert_eq!(ids(&db).await, (100..120).collect::<Vec<_>>());
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_dropped_half_way_fails_its_transaction() {
    let place = TestDatabase::new(Engine::Postgres);
    let db = one_connection(&place).await;
    let mut tx = db.begin().await.unwrap();
    tx.execute("INSERT INTO things (id, n) VALUES (1, 0)", &[])
        .await
        .unwrap();
    let slow = tx.fetch_one::<()>("SELECT CAST(pg_sleep(0.2) AS TEXT)", &[]);
    assert!(
        tokio::time::timeout(Duration::from_millis(30), slow)
            .await
            .is_err()
    );
    assert!(matches!(
        tx.execute("INSERT INTO things (id, n) VALUES (2, 0)", &[]).await,
        Err(Error::TxFailed)
    ));
    assert!(matches!(tx.commit().await, Err(Error::TxFailed)));
    db.execute("INSERT INTO things (id, n) VALUES (3, 0)", &[])
        .await
        .unwrap();
    assert_eq!(ids(&db).await, [3]);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_for_a_connection_is_told_busy() {
    let place = TestDatabase::new(Engine::Postgres);
    let db = one_connection(&place).await;
    let held = db.begin().await.unwrap();
    assert!(matches!(db.begin().await.err(), Some(Error::Busy)));
    assert!(matches!(
        db.execute("DELETE FROM things", &[]).await,
        Err(Error::Busy)
    ));
    assert!(ids(&db).await.is_empty(), "reads have connections of their own");
    held.rollback().await;
    db.begin().await.unwrap().commit().await.unwrap();
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_transactions_in_each_others_way_end_in_a_conflict_of_one() {
    let place = TestDatabase::new(Engine::Postgres);
    let db = Db::open(place.options("test")).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    db.execute("INSERT INTO things (id, n) VALUES (1, 0), (2, 0)", &[])
        .await
        .unwrap();
    let cross = |first: i64, second: i64| {
        let db = db.clone();
        async move {
            let update = "UPDATE things SET n = n + 1 WHERE id = $1";
            let mut tx = db.begin().await?;
            tx.execute(update, &[&first]).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            tx.execute(update, &[&second]).await?;
            tx.commit().await
        }
    };
    let (a, b) = tokio::join!(cross(1, 2), cross(2, 1));
    assert!(
        matches!(
            (&a, &b),
            (Ok(()), Err(Error::Conflict)) | (Err(Error::Conflict), Ok(()))
        ),
        "{a:?} {b:?}"
    );
    assert_eq!(
        db.fetch_all::<i64>("SELECT n FROM things", &[]).await.unwrap(),
        [1, 1]
    );
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_lost_are_made_anew() {
    let place = TestDatabase::new(Engine::Postgres);
    // The name that the server knows its connections by, so that no other test's are cut.
    let service = format!("lost_{}", u32::from_be_bytes(stoa_kernel::random::bytes()));
    let db = Db::open(place.options(&service)).await.unwrap();
    let server = Db::open(place.options("server")).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    for round in 0..3_i64 {
        let mut held = db.begin().await.unwrap();
        held.execute("INSERT INTO things (id, n) VALUES (-1, 0)", &[])
            .await
            .unwrap();
        assert_eq!(ids(&db).await.len() as i64, round);
        let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
        let count: i64 = server
            .fetch_one(cut, &[&format!("stoa {service}")])
            .await
            .unwrap();
        let names = "SELECT DISTINCT application_name FROM pg_stat_activity";
        let names: Vec<Option<String>> = server.fetch_all(names, &[]).await.unwrap();
        assert!(count >= 1, "{count}: {names:?}");
        assert_eq!(
            ids(&db).await.len() as i64,
            round,
            "a read is repeated on a new connection"
        );
        let mut tx = db.begin().await.unwrap();
        tx.execute("INSERT INTO things (id, n) VALUES ($1, 0)", &[&round])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert!(
            held.execute("INSERT INTO things (id, n) VALUES (-2, 0)", &[])
                .await
                .is_err()
        );
        assert!(held.commit().await.is_err());
    }
    assert_eq!(ids(&db).await, [0, 1, 2]);
    place.remove().await;
}

/// A database whose statements on the server can be told from those of other tests, and another to look at them.
async fn watched(place: &TestDatabase) -> (Db, Db, String) {
    let service = format!("watched_{}", u32::from_be_bytes(stoa_kernel::random::bytes()));
    let db = Db::open(place.options(&service)).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    let server = Db::open(place.options("server")).await.unwrap();
    (db, server, format!("stoa {service}"))
}

/// How many of its statements contain `part` and are being carried out.
async fn active(server: &Db, name: &str, part: &str) -> i64 {
    let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1 AND state = 'active' AND query LIKE $2";
    server
        .fetch_one(sql, &[&name, &format!("%{part}%")])
        .await
        .unwrap()
}

async fn until_active(server: &Db, name: &str, part: &str, wanted: impl Fn(i64) -> bool) {
    for _ in 0..200 {
        if wanted(active(server, name, part).await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{part}: {} active", active(server, name, part).await);
}

const SLOW: &str = "SELECT CAST(pg_sleep(20) AS TEXT)";

#[tokio::test(flavor = "multi_thread")]
async fn slow_reads_hold_up_no_quick_one() {
    let place = TestDatabase::new(Engine::Postgres);
    let (db, server, name) = watched(&place).await;
    let slow: Vec<_> = (0..12)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.fetch_one::<()>(SLOW, &[]).await })
        })
        .collect();
    // As many as may be slow at once; the rest waits.
    until_active(&server, &name, "pg_sleep", |count| count >= 3).await;
    for _ in 0..100 {
        let quick = tokio::time::timeout(Duration::from_secs(2), ids(&db));
        assert!(quick.await.is_ok(), "a quick read waits for a slow one");
        let ping = tokio::time::timeout(Duration::from_secs(2), db.ping());
        assert!(ping.await.unwrap().is_ok());
    }
    for task in &slow {
        task.abort();
    }
    until_active(&server, &name, "pg_sleep", |count| count == 0).await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_a_locked_table_hold_up_nobody_else() {
    let place = TestDatabase::new(Engine::Postgres);
    let (db, server, name) = watched(&place).await;
    db.execute("CREATE TABLE others (id BIGINT PRIMARY KEY)", &[])
        .await
        .unwrap();
    // Prepared before, as it is while a service runs.
    ids(&db).await;
    let mut locked = db.begin().await.unwrap();
    locked.execute("LOCK TABLE things", &[]).await.unwrap();
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { ids(&db).await })
        })
        .collect();
    until_active(&server, &name, "FROM things", |count| count >= 2).await;
    for _ in 0..50 {
        let other = db.fetch_all::<i64>("SELECT id FROM others", &[]);
        let other = tokio::time::timeout(Duration::from_secs(2), other);
        assert!(other.await.unwrap().unwrap().is_empty());
    }
    assert!(waiting.iter().all(|task| !task.is_finished()));
    locked.rollback().await;
    for task in waiting {
        assert!(task.await.unwrap().is_empty());
    }
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_cancels_what_was_asked() {
    let place = TestDatabase::new(Engine::Postgres);
    let (db, server, name) = watched(&place).await;
    let read = tokio::spawn({
        let db = db.clone();
        async move { db.fetch_one::<()>(SLOW, &[]).await }
    });
    let in_transaction = tokio::spawn({
        let db = db.clone();
        async move {
            let mut tx = db.begin().await.unwrap();
            tx.execute("INSERT INTO things (id, n) VALUES (1, 0)", &[])
                .await
                .unwrap();
            tx.fetch_one::<()>("SELECT CAST(pg_sleep(21) AS TEXT)", &[]).await
        }
    });
    let alone = tokio::spawn({
        let db = db.clone();
        async move {
            let sql = "INSERT INTO things (id, n) SELECT 2, 0 WHERE CAST(pg_sleep(22) AS TEXT) IS NOT NULL";
            db.execute(sql, &[]).await
        }
    });
    until_active(&server, &name, "pg_sleep", |count| count == 3).await;
    read.abort();
    in_transaction.abort();
    alone.abort();
    until_active(&server, &name, "pg_sleep", |count| count == 0).await;
    // All connections can be had, and nothing was kept.
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(db.begin().await.unwrap());
    }
    drop(all);
    assert!(ids(&db).await.is_empty());
    place.remove().await;
}

/// How often the table is read within half a second, by 32 at once.
async fn reads(db: &Db) -> usize {
    let until = tokio::time::Instant::now() + Duration::from_millis(500);
    let readers = (0..32).map(|_| async {
        let mut count = 0;
        while tokio::time::Instant::now() < until {
            ids(db).await;
            count += 1;
        }
        count
    });
    futures::future::join_all(readers).await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_lock_held_up_is_quick_again_under_load() {
    let place = TestDatabase::new(Engine::Postgres);
    let (db, ..) = watched(&place).await;
    let before = reads(&db).await;
    let mut locked = db.begin().await.unwrap();
    locked.execute("LOCK TABLE things", &[]).await.unwrap();
    let (held_up, ()) = tokio::join!(reads(&db), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        locked.rollback().await;
    });
    let mut after = 0;
    for _ in 0..6 {
        after = after.max(reads(&db).await);
    }
    assert!(
        after * 2 > before,
        "{before} before, {held_up} while it was locked, {after} after"
    );
    place.remove().await;
}

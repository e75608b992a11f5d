//! SQLite's groups: what is acknowledged is kept, also when tasks are cancelled at any point.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use stoa_db::{Db, DbOptions, Engine, Error, settled, testing::TestDatabase};

async fn open(place: &TestDatabase) -> Db {
    let db = Db::open(place.options("test")).await.unwrap();
    db.execute(
        "CREATE TABLE pairs (id BIGINT NOT NULL, half BIGINT NOT NULL, PRIMARY KEY (id, half))",
        &[],
    )
    .await
    .unwrap();
    db
}

/// Writes both halves of a pair, with a moment between them and a moment before the commit.
async fn write_pair(db: &Db, id: i64, pause: Duration) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    tx.execute("INSERT INTO pairs (id, half) VALUES ($1, 0)", &[&id])
        .await?;
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    tx.execute("INSERT INTO pairs (id, half) VALUES ($1, 1)", &[&id])
        .await?;
    tx.commit().await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap()
}

/// Pairs are written by tasks that are cancelled after so many microseconds, pausing as long in the middle of their transactions.
async fn cancel_anywhere(engine: Engine, cancelled: Vec<(u64, u64)>) {
    let place = TestDatabase::new(engine);
    let db = open(&place).await;
    let acknowledged = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (id, (after, pause)) in (0_i64..).zip(cancelled) {
        let (db, acknowledged) = (db.clone(), Arc::clone(&acknowledged));
        let task = tokio::spawn(async move {
            if write_pair(&db, id, Duration::from_micros(pause)).await.is_ok() {
                acknowledged.lock().unwrap().push(id);
            }
        });
        tasks.push(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_micros(after)).await;
            task.abort();
            let _ = task.await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // The line moves on, and nothing is held back in a group that nobody commits.
    tokio::time::timeout(Duration::from_secs(5), write_pair(&db, -1, Duration::ZERO))
        .await
        .unwrap()
        .unwrap();
    let halves: Vec<(i64, i64)> = db
        .fetch_all("SELECT id, COUNT(*) FROM pairs GROUP BY id", &[])
        .await
        .unwrap();
    assert!(halves.iter().all(|(_, count)| *count == 2), "{halves:?}");
    let acknowledged = acknowledged.lock().unwrap().clone();
    for id in acknowledged {
        assert!(
            halves.iter().any(|(there, _)| *there == id),
            "{id} was acknowledged and is gone"
        );
    }
    db.close().await;
    place.remove().await;
}

fn cancellations() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0_u64..3000, 0_u64..500), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn tasks_cancelled_anywhere_leave_no_group_open_and_no_half_behind_on_sqlite(cancelled in cancellations()) {
        runtime().block_on(cancel_anywhere(Engine::Sqlite, cancelled));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn tasks_cancelled_anywhere_leave_no_half_behind_on_postgres(cancelled in cancellations()) {
        runtime().block_on(cancel_anywhere(Engine::Postgres, cancelled));
    }
}

#[test]
fn readers_see_whole_transactions_only() {
    runtime().block_on(async {
        let place = TestDatabase::new(Engine::Sqlite);
        let db = open(&place).await;
        let writers: Vec<_> = (0..16_i64)
            .map(|writer| {
                let db = db.clone();
                tokio::spawn(async move {
                    for n in 0..100 {
                        write_pair(&db, writer * 1000 + n, Duration::ZERO).await.unwrap();
                        let mine: i64 = db
                            .fetch_one(
                                "SELECT COUNT(*) FROM pairs WHERE id = $1",
                                &[&(writer * 1000 + n)],
                            )
                            .await
                            .unwrap();
                        assert_eq!(mine, 2, "what was acknowledged is there to read");
                    }
                })
            })
            .collect();
        while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
            let odd: i64 = db
                .fetch_one(
                    "SELECT COUNT(*) FROM (SELECT id FROM pairs GROUP BY id HAVING COUNT(*) <> 2) AS odd",
                    &[],
                )
                .await
                .unwrap();
            assert_eq!(odd, 0);
            tokio::task::yield_now().await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        let all: i64 = db.fetch_one("SELECT COUNT(*) FROM pairs", &[]).await.unwrap();
        assert_eq!(all, 16 * 100 * 2);
        db.close().await;
        place.remove().await;
    });
}

#[test]
fn a_waiter_that_gives_up_does_not_hold_up_the_line() {
    runtime().block_on(async {
        let place = TestDatabase::new(Engine::Sqlite);
        let db = open(&place).await;
        let mut held = db.begin().await.unwrap();
        held.execute("INSERT INTO pairs (id, half) VALUES (1, 0)", &[])
            .await
            .unwrap();
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                tokio::spawn({
                    let db = db.clone();
                    async move { db.begin().await.map(drop) }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        for waiter in waiting {
            waiter.abort();
        }
        held.commit().await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), write_pair(&db, 2, Duration::ZERO))
            .await
            .unwrap()
            .unwrap();
        place.remove().await;
    });
}

/// Lets a task that was just spawned come as far as it can.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

#[test]
fn a_group_that_is_rolled_back_as_a_whole_is_told_to_all_its_members() {
    runtime().block_on(async {
        let place = TestDatabase::new(Engine::Sqlite);
        let db = open(&place).await;
        write_pair(&db, 0, Duration::ZERO).await.unwrap();
        let mut first = db.begin().await.unwrap();
        first
            .execute("INSERT INTO pairs (id, half) VALUES (1, 0)", &[])
            .await
            .unwrap();
        let second = tokio::spawn({
            let db = db.clone();
            async move { write_pair(&db, 2, Duration::ZERO).await }
        });
        a_moment().await;
        // OR ROLLBACK stands for what makes SQLite roll back everything by itself.
        let third = tokio::spawn({
            let db = db.clone();
            async move {
                let mut tx = db.begin().await?;
                tx.execute("INSERT OR ROLLBACK INTO pairs (id, half) VALUES (0, 0)", &[])
                    .await?;
                tx.commit().await
            }
        });
        a_moment().await;
        assert!(matches!(first.commit().await, Err(Error::Conflict)));
        assert!(matches!(second.await.unwrap(), Err(Error::Conflict)));
        assert!(matches!(third.await.unwrap(), Err(Error::Unique)));
        write_pair(&db, 3, Duration::ZERO).await.unwrap();
        let ids: Vec<i64> = db
            .fetch_all("SELECT DISTINCT id FROM pairs ORDER BY id", &[])
            .await
            .unwrap();
        assert_eq!(ids, [0, 3]);
        place.remove().await;
    });
}

#[test]
fn a_turn_that_was_handed_to_a_task_which_is_cancelled_before_it_runs_is_passed_on() {
    // One thread, so that the waiter cannot run between the commit that hands it the turn and its end.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let place = TestDatabase::new(Engine::Sqlite);
        let db = open(&place).await;
        let mut held = db.begin().await.unwrap();
        held.execute("INSERT INTO pairs (id, half) VALUES (1, 0)", &[])
            .await
            .unwrap();
        let mut waiter = Box::pin(db.begin());
        assert!(futures::poll!(&mut waiter).is_pending());
        let mut commit = Box::pin(held.commit());
        assert!(
            futures::poll!(&mut commit).is_pending(),
            "its group waits for the waiter, who has the turn"
        );
        drop(waiter);
        tokio::time::timeout(Duration::from_secs(5), commit)
            .await
            .unwrap()
            .unwrap();
        write_pair(&db, 2, Duration::ZERO).await.unwrap();
        place.remove().await;
    });
}

#[test]
fn another_program_that_writes_is_waited_for_without_holding_up_the_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let place = TestDatabase::new(Engine::Sqlite);
        let db = open(&place).await;
        let options = DbOptions {
            wait: Duration::from_millis(200),
            ..place.options("test")
        };
        let other = Db::open(options).await.unwrap();
        let mut held = db.begin().await.unwrap();
        held.execute("INSERT INTO pairs (id, half) VALUES (1, 0)", &[])
            .await
            .unwrap();
        assert!(matches!(
            write_pair(&other, 2, Duration::ZERO).await,
            Err(Error::Busy)
        ));
        // Both on one thread: were it held up, nobody could let go of the file.
        let (waited, let_go) = tokio::join!(write_pair(&other, 3, Duration::ZERO), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            held.commit().await
        });
        waited.unwrap();
        let_go.unwrap();
        place.remove().await;
    });
}

#[test]
fn the_log_does_not_grow_without_bound_while_there_is_always_somebody_reading() {
    runtime().block_on(async {
        let place = TestDatabase::new(Engine::Sqlite);
        let db = Db::open(place.options("test")).await.unwrap();
        db.execute("CREATE TABLE blocks (id BIGINT PRIMARY KEY, body BYTEA NOT NULL)", &[]).await.unwrap();
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let db = db.clone();
                // Keeps its view of the data for some milliseconds, always one or another of them.
                let slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) \
                     SELECT COUNT(*) FROM n, (SELECT COUNT(*) FROM blocks) AS b";
                tokio::spawn(async move {
                    while db.fetch_one::<i64>(slow, &[]).await.is_ok() {}
                })
            })
            .collect();
        let log = place.folder().join("test.db-wal");
        let (mut written, mut largest) = (0, 0);
        for id in 0..120_u8 {
            let body = vec![id; 1 << 20];
            let upsert = "INSERT INTO blocks (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
            db.execute(upsert, &[&(i32::from(id) % 8), &body]).await.unwrap();
            written += body.len() as u64;
            largest = largest.max(std::fs::metadata(&log).unwrap().len());
        }
        assert!(readers.iter().all(|reader| !reader.is_finished()));
        assert!(largest < 80 << 20, "{largest} bytes of {written} that were written");
        db.close().await;
        place.remove().await;
    });
}

#[test]
fn what_another_program_commits_is_seen_soon_and_ones_own_at_once() {
    runtime().block_on(async {
        let place = TestDatabase::new(Engine::Sqlite);
        let db = open(&place).await;
        // Two handles on one file stand for two programs: neither tells the other of its commits.
        let other = Db::open(place.options("test")).await.unwrap();
        let count = async |db: &Db| {
            db.fetch_one::<i64>("SELECT COUNT(*) FROM pairs", &[])
                .await
                .unwrap()
        };
        for id in 0..50 {
            // Read often, so that readers hold on to what they see.
            for _ in 0..20 {
                assert_eq!(count(&db).await, id * 4);
            }
            write_pair(&db, id * 2, Duration::ZERO).await.unwrap();
            assert_eq!(count(&db).await, id * 4 + 2, "one's own, at once");
            write_pair(&other, id * 2 + 1, Duration::ZERO).await.unwrap();
            tokio::time::sleep(Duration::from_millis(6)).await;
            assert_eq!(count(&db).await, id * 4 + 4, "another's, soon");
        }
        db.close().await;
        other.close().await;
        place.remove().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_seen_what_is_not_on_the_disk_yet_waits_for_it_also_without_a_commit() {
    let place = TestDatabase::new(Engine::Sqlite);
    let db = Db::open(place.options("test")).await.unwrap();
    db.execute("CREATE TABLE seen (id BIGINT PRIMARY KEY)", &[])
        .await
        .unwrap();
    let mut first = db.begin().await.unwrap();
    first
        .execute("INSERT INTO seen (id) VALUES (1)", &[])
        .await
        .unwrap();
    // Each finds the row of the first in the open group, and ends in another way.
    let looks = [Ending::Dropped, Ending::RolledBack, Ending::Committed].map(|ending| {
        let db = db.clone();
        tokio::spawn(settled(async move {
            let mut tx = db.begin().await.unwrap();
            let found = tx.fetch_one::<i64>("SELECT id FROM seen", &[]).await;
            match ending {
                Ending::Dropped => drop(tx),
                Ending::RolledBack => tx.rollback().await,
                Ending::Committed => tx.commit().await.unwrap(),
            }
            found.unwrap()
        }))
    });
    // All of them stand in line before the first ends, and the last comes after them: until it ends, the group stays open.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let last = tokio::spawn({
        let db = db.clone();
        async move { db.begin().await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!last.is_finished());
    let committed = tokio::spawn(first.commit());
    let last = last.await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!committed.is_finished());
    for look in &looks {
        assert!(
            !look.is_finished(),
            "it answered before the group was on the disk"
        );
    }
    last.commit().await.unwrap();
    committed.await.unwrap().unwrap();
    for look in looks {
        assert_eq!(look.await.unwrap().unwrap(), 1);
    }
    db.close().await;
    place.remove().await;
}

enum Ending {
    Dropped,
    RolledBack,
    Committed,
}

//! SQLite's groups: what is acknowledged is kept, also when tasks are cancelled at any point.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use stoa_db::{Db, Engine, testing::Place};

async fn open(place: &Place) -> Db {
    let db = Db::open(place.options("test")).await.unwrap();
    db.execute("CREATE TABLE pairs (id BIGINT NOT NULL, half BIGINT NOT NULL, PRIMARY KEY (id, half))", &[]).await.unwrap();
    db
}

/// Writes both halves of a pair, with a moment between them and a moment before the commit.
async fn write_pair(db: &Db, id: i64, pause: Duration) -> Result<(), stoa_db::Error> {
    let mut tx = db.begin().await?;
    tx.execute("INSERT INTO pairs (id, half) VALUES ($1, 0)", &[&id]).await?;
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    tx.execute("INSERT INTO pairs (id, half) VALUES ($1, 1)", &[&id]).await?;
    tx.commit().await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn tasks_cancelled_anywhere_leave_no_group_open_and_no_half_behind(
        cancelled in prop::collection::vec((0_u64..3000, 0_u64..500), 1..60)
    ) {
        runtime().block_on(async move {
            let place = Place::new(Engine::Sqlite);
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
            tokio::time::timeout(Duration::from_secs(5), write_pair(&db, -1, Duration::ZERO)).await.unwrap().unwrap();
            let halves: Vec<(i64, i64)> = db.fetch_all("SELECT id, COUNT(*) FROM pairs GROUP BY id", &[]).await.unwrap();
            assert!(halves.iter().all(|(_, count)| *count == 2), "{halves:?}");
            let acknowledged = acknowledged.lock().unwrap().clone();
            for id in acknowledged {
                assert!(halves.iter().any(|(there, _)| *there == id), "{id} was acknowledged and is gone");
            }
            db.close().await;
            place.remove().await;
        });
    }
}

#[test]
fn readers_see_whole_transactions_only() {
    runtime().block_on(async {
        let place = Place::new(Engine::Sqlite);
        let db = open(&place).await;
        let writers: Vec<_> = (0..16_i64)
            .map(|writer| {
                let db = db.clone();
                tokio::spawn(async move {
                    for n in 0..100 {
                        write_pair(&db, writer * 1000 + n, Duration::ZERO).await.unwrap();
                        let mine: i64 = db
                            .fetch_one("SELECT COUNT(*) FROM pairs WHERE id = $1", &[&(writer * 1000 + n)])
                            .await
                            .unwrap();
                        assert_eq!(mine, 2, "what was acknowledged is there to read");
                    }
                })
            })
            .collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            let odd: i64 = db
                .fetch_one("SELECT COUNT(*) FROM (SELECT id FROM pairs GROUP BY id HAVING COUNT(*) <> 2) AS odd", &[])
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
        let place = Place::new(Engine::Sqlite);
        let db = open(&place).await;
        let mut held = db.begin().await.unwrap();
        held.execute("INSERT INTO pairs (id, half) VALUES (1, 0)", &[]).await.unwrap();
        let waiting: Vec<_> = (0..10).map(|_| tokio::spawn({ let db = db.clone(); async move { db.begin().await.map(drop) } })).collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        for waiter in waiting {
            waiter.abort();
        }
        held.commit().await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), write_pair(&db, 2, Duration::ZERO)).await.unwrap().unwrap();
        place.remove().await;
    });
}

//! A long backlog of one key: it costs no claim more than it takes, holds up no other key, and keeps its order.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stoa_db::{Db, Engine, db_test, testing::Statements};
use stoa_events::{Job, JobError, JobHandler, Work, stats, steps};
use stoa_kernel::Id;
use tokio::sync::watch;

use crate::{
    backlog::reads,
    pair::{Pair, SOON, record, until},
};

/// Of the key 0 or another.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Keyed {
    key: i64,
    number: i64,
}

impl Job for Keyed {
    const NAME: &'static str = "sink.keyed";

    fn key(&self) -> Option<String> {
        Some(format!("thing:{}", self.key))
    }
}

/// Jobs of the key 0, with the numbers from 0 on.
async fn fill(db: &Db, count: i64) {
    let id = match db.engine() {
        Engine::Sqlite => "unhex(printf('%032x', n + 1))",
        Engine::Postgres => "CAST(lpad(to_hex(n + 1), 32, '0') AS UUID)",
    };
    let sql = format!(
        "INSERT INTO jobs (queue, id, key, priority, state, payload, source, time, run_at, attempts) \
         WITH RECURSIVE numbers(n) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < {count} - 1) \
         SELECT 'sink.keyed', {id}, 'thing:0', 0, 'ready', '{{\"key\":0,\"number\":' || n || '}}', 'sink', $1, $1, 0 FROM numbers"
    );
    db.execute(&sql, &[&db.clock().now()]).await.unwrap();
}

async fn claim(db: &Db) -> usize {
    let shares = [steps::Share {
        queue: "sink.keyed",
        most: 32,
    }];
    let worker = Id::<()>::new(db.clock()).uuid();
    let claimed = steps::claim(db, worker, Duration::from_secs(60), &shares, 32).await;
    claimed.unwrap().len()
}

async fn behind(db: &Db) -> i64 {
    let sql = "SELECT COUNT(*) FROM jobs WHERE state = 'waiting' AND behind";
    db.fetch_one(sql, &[]).await.unwrap()
}

#[db_test]
async fn a_claim_reads_no_more_than_it_takes_behind_a_key_that_runs(pair: Pair) {
    const JOBS: i64 = 300_000;
    fill(&pair.sink, JOBS).await;
    assert_eq!(claim(&pair.sink).await, 32, "several of one key come together");
    for turn in 1..=10 {
        assert_eq!(claim(&pair.sink).await, 0);
        assert_eq!(
            behind(&pair.sink).await,
            32 * turn,
            "what was read is out of the way"
        );
    }
    if let Some(reads) = reads(&pair).await {
        // Beside what was counted.
        assert!(reads < 11 * 32 * 20, "{reads} rows were read for 11 claims");
    }
}

#[db_test]
async fn a_backlog_of_one_key_holds_up_no_other_and_keeps_its_order(pair: Pair) {
    const JOBS: i64 = 3000;
    let statements = [&pair.source, &pair.sink].map(|db| (db.clone(), Statements::of(db)));
    fill(&pair.sink, JOBS).await;
    let (release, released) = watch::channel(false);
    let handler = JobHandler::new(move |work: Work<Keyed>| {
        let mut released = released.clone();
        async move {
            let Keyed { key, number } = *work.payload();
            if key == 0 {
                released.wait_for(|released| *released).await.unwrap();
                if number % 1000 == 500 && work.attempt() == 1 {
                    return Err(JobError::Retry("not the first time".to_owned()));
                }
            }
            let mut tx = work.begin().await?;
            record(&mut tx, key, number).await?;
            work.commit(tx).await
        }
    });
    let worker = pair.start_sink(vec![], vec![handler.retry(SOON)], vec![]).await;
    for number in 0..200 {
        pair.enqueue(&Keyed {
            key: 1 + number % 7,
            number,
        })
        .await;
    }
    until("the other keys are done", async || {
        pair.effects().await.len() == 200
    })
    .await;
    assert_eq!(stats(&pair.sink).await.unwrap().ready + 32, JOBS);
    release.send_replace(true);
    tokio::time::timeout(Duration::from_secs(120), worker.idle())
        .await
        .expect("all are done");
    let effects = pair.effects().await;
    let of_key = |wanted: i64| {
        let of_key = effects.iter().filter(|(key, _)| *key == wanted);
        of_key.map(|(_, number)| *number).collect::<Vec<_>>()
    };
    assert_eq!(of_key(0), (0..JOBS).collect::<Vec<_>>());
    assert!((1..8).all(|key| of_key(key).is_sorted()));
    assert_eq!(effects.len(), 200 + of_key(0).len());
    for (db, statements) in &statements {
        let mut waste = statements.waste(db).await;
        let own = ["effects", "COUNT(*) FROM outbox"];
        waste.retain(|one| !own.iter().any(|part| one.sql.contains(part)));
        assert!(waste.is_empty(), "{waste:#?}");
    }
    worker.stop(Duration::from_secs(5)).await;
}

/// A process ended a job and died before it could put back what stood behind.
#[db_test]
async fn what_a_process_that_died_left_behind_is_found(pair: Pair) {
    fill(&pair.sink, 100).await;
    let shares = [steps::Share {
        queue: "sink.keyed",
        most: 32,
    }];
    let worker = Id::<()>::new(pair.sink.clock()).uuid();
    let first = steps::claim(&pair.sink, worker, Duration::from_secs(60), &shares, 32);
    let first = first.await.unwrap();
    for _ in 0..3 {
        assert_eq!(claim(&pair.sink).await, 0);
    }
    assert_eq!(behind(&pair.sink).await, 68);
    for job in first {
        let work = steps::work::<Keyed>(&pair.sink, worker, job).unwrap();
        let mut tx = work.begin().await.unwrap();
        record(&mut tx, 0, work.payload().number).await.unwrap();
        work.commit(tx).await.unwrap();
    }
    let handler = JobHandler::new(|work: Work<Keyed>| async move {
        let mut tx = work.begin().await?;
        record(&mut tx, 0, work.payload().number).await?;
        work.commit(tx).await
    });
    // One more comes, and is not to overtake them.
    pair.enqueue(&Keyed { key: 0, number: 100 }).await;
    let worker = pair.start_sink(vec![], vec![handler], vec![]).await;
    until("all are done", async || pair.effects().await.len() == 101).await;
    let numbers: Vec<_> = pair
        .effects()
        .await
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    assert_eq!(numbers, (0..=100).collect::<Vec<_>>());
    worker.stop(Duration::from_secs(5)).await;
}

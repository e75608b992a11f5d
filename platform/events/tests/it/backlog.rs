//! Large tables cost the rest nothing.

use std::time::Duration;

use stoa_db::{Db, Engine, db_test};
use stoa_events::{Subscription, Worker, WorkerOptions, stats};

use crate::pair::{Note, Pair, notes, options, until, write_down};

/// Rows that one job may cost to read, in all that is done for it.
const READS: i64 = 200;

/// Copies the one row of `jobs` many times over, each with an id of its own that sorts before it.
async fn copy(db: &Db, state: &str, run_at: stoa_kernel::Timestamp, times: i64) {
    let id = match db.engine() {
        Engine::Sqlite => "unhex(printf('%032x', n))",
        Engine::Postgres => "CAST(lpad(to_hex(n), 32, '0') AS UUID)",
    };
    let sql = format!(
        "INSERT INTO jobs (queue, id, priority, state, payload, source, time, run_at, attempts, finished_at) \
         WITH RECURSIVE numbers(n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < {times}) \
         SELECT 'sink.note', {id}, 10, '{state}', '', 'sink', $1, $1, 1, $1 FROM numbers"
    );
    db.execute(&sql, &[&run_at]).await.unwrap();
}

/// Rows of `jobs` that PostgreSQL has read so far, once connections have told.
pub(crate) async fn reads(pair: &Pair) -> Option<i64> {
    if pair.sink.engine() == Engine::Sqlite {
        return None;
    }
    let sql = "SELECT CAST(current_schema() AS TEXT)";
    let schema: String = pair.sink.fetch_one(sql, &[]).await.unwrap();
    pair.sink.close().await;
    let sql = "SELECT CAST(COALESCE(SUM(seq_tup_read + idx_tup_fetch), 0) AS BIGINT) FROM pg_stat_all_tables \
        WHERE schemaname = $1 AND relname = 'jobs'";
    Some(pair.source.fetch_one(sql, &[&schema]).await.unwrap())
}

#[db_test]
async fn a_claim_does_not_read_what_waits_for_its_time(pair: Pair) {
    copy(
        &pair.sink,
        "waiting",
        pair.clock.after(Duration::from_secs(3600)),
        50_000,
    )
    .await;
    let worker = pair.start_sink(vec![], vec![notes()], vec![]).await;
    for number in 0..500 {
        pair.enqueue(&Note { number }).await;
    }
    until("all that is ready is done", async || {
        pair.effects().await.len() == 500
    })
    .await;
    assert_eq!(stats(&pair.sink).await.unwrap().ready, 50_000);
    worker.stop(Duration::from_secs(5)).await;
    if let Some(reads) = reads(&pair).await {
        // Beside the copying and the count.
        assert!(
            reads < 200_000 + 500 * READS,
            "{reads} rows were read for 500 jobs"
        );
    }
}

/// Attempts that a clock has put off too far are looked for often.
#[db_test]
async fn what_waits_for_days_is_not_read_each_time_that_far_retries_are_looked_for(pair: Pair) {
    let later = pair.clock.after(Duration::from_secs(30 * 24 * 3600));
    copy(&pair.sink, "waiting", later, 50_000).await;
    let sql = "UPDATE jobs SET attempts = 0";
    pair.sink.execute(sql, &[]).await.unwrap();
    let options = WorkerOptions {
        lease: Duration::from_millis(400),
        ..options()
    };
    let (db, bus) = (pair.sink.clone(), pair.bus.clone());
    let worker = Worker::start(db, bus, vec![], vec![notes()], vec![], options).await;
    // Some twenty looks.
    tokio::time::sleep(Duration::from_secs(1)).await;
    worker.unwrap().stop(Duration::from_secs(5)).await;
    if let Some(reads) = reads(&pair).await {
        // Beside the change of them all and the counts of what waits.
        assert!(reads < 250_000, "{reads} rows were read");
    }
}

#[db_test]
async fn what_waited_for_its_time_is_run_when_it_comes(pair: Pair) {
    copy(
        &pair.sink,
        "waiting",
        pair.clock.after(Duration::from_secs(3600)),
        2000,
    )
    .await;
    let sql = "UPDATE jobs SET payload = '{\"number\": 1}'";
    pair.sink.execute(sql, &[]).await.unwrap();
    let worker = pair.start_sink(vec![], vec![notes()], vec![]).await;
    pair.clock.advance(Duration::from_secs(3601));
    until("all are done", async || pair.effects().await.len() == 2000).await;
    worker.stop(Duration::from_secs(5)).await;
}

#[db_test]
async fn finished_jobs_of_a_service_itself_go_after_an_hour_while_others_work(pair: Pair) {
    copy(&pair.sink, "done", pair.clock.now(), 20_000).await;
    pair.clock.advance(Duration::from_secs(3700));
    let wanted = vec![Subscription::new("sink.write_down", write_down)];
    let worker = pair.start_sink(wanted, vec![notes()], vec![]).await;
    let source = pair.start_source().await;
    for number in 0..200 {
        pair.emit(number, number).await;
    }
    until("all are done", async || pair.effects().await.len() == 200).await;
    let old = "SELECT COUNT(*) FROM jobs WHERE state = 'done' AND queue = 'sink.note'";
    until("the old ones are gone", async || {
        pair.sink.fetch_one::<i64>(old, &[]).await.unwrap() == 0
    })
    .await;
    let events = "SELECT COUNT(*) FROM jobs WHERE state = 'done'";
    assert_eq!(pair.sink.fetch_one::<i64>(events, &[]).await.unwrap(), 200);
    drop((worker, source));
}

/// While one subscriber cannot take an event it comes again and again to all the others: they must know it again.
#[db_test]
async fn arrivals_are_remembered_for_as_long_as_an_outbox_has_them(pair: Pair) {
    let start = async || {
        let wanted = vec![Subscription::new("sink.write_down", write_down)];
        pair.start_sink(wanted, vec![notes()], vec![]).await
    };
    let sink = start().await;
    let source = pair.start_source().await;
    let broken = pair.ahead(Duration::ZERO).await;
    let follows = vec![Subscription::new("source.follow", write_down)];
    let registered = Worker::register(
        broken.source.clone(),
        pair.bus.clone(),
        follows,
        vec![],
        vec![],
        options(),
    );
    let registered = registered.await.unwrap();
    broken.source.close().await;
    pair.emit(1, 1).await;
    pair.enqueue(&Note { number: 2 }).await;
    until("the sink has done both", async || pair.effects().await.len() == 2).await;
    sink.stop(Duration::from_secs(5)).await;

    pair.clock.advance(Duration::from_secs(2 * 3600));
    let sink = start().await;
    let done = async |queue: &str| {
        let sql = "SELECT COUNT(*) FROM jobs WHERE state = 'done' AND queue = $1";
        pair.sink.fetch_one::<i64>(sql, &[&queue]).await.unwrap()
    };
    until("old jobs are removed", async || done("sink.note").await == 0).await;
    assert_eq!(done("sink.write_down").await, 1);
    assert_eq!(pair.effects().await.len(), 2);
    drop((sink, source, registered));
    broken.sink.close().await;
}

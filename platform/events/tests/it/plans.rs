//! What many waiting jobs cost: no more for each than few did.

use std::time::Duration;

use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};
use stoa_events::{Subscription, TxExt};

use crate::pair::{Pair, ThingMade, write_down};

const EVENTS: i64 = 1500;
/// Rows that one event may cost its subscriber to read, in all that is done for it.
const READS: i64 = 200;

/// PostgreSQL may keep a plan that it made while the tables were empty, where any plan is a good one.
#[db_test]
async fn a_burst_after_silence_is_not_read_again_for_each_claim(pair: Pair) {
    let source = pair.start_source().await;
    let sink = pair
        .start_sink(
            vec![Subscription::new("sink.write_down", write_down)],
            vec![],
            vec![],
        )
        .await;
    for number in 0..12 {
        pair.emit(number, number).await;
        pair.settle(&source, &sink).await;
    }
    source.stop(Duration::from_secs(5)).await;
    pair.sink.execute("DELETE FROM effects", &[]).await.unwrap();
    // All at once, not as fast as they can be told.
    let mut tx = pair.source.begin().await.unwrap();
    for number in 0..EVENTS {
        tx.emit(&ThingMade { key: number, number }).await.unwrap();
    }
    tx.commit().await.unwrap();
    let source = pair.start_source().await;
    pair.settle(&source, &sink).await;
    let sql = "SELECT COUNT(*) FROM effects";
    assert_eq!(pair.sink.fetch_one::<i64>(sql, &[]).await.unwrap(), EVENTS);
    sink.stop(Duration::from_secs(5)).await;

    if pair.sink.engine() == Engine::Postgres {
        let schema: String = pair
            .sink
            .fetch_one("SELECT CAST(current_schema() AS TEXT)", &[])
            .await
            .unwrap();
        // Connections tell what they have read when they end.
        pair.sink.close().await;
        let sql = "SELECT CAST(COALESCE(SUM(seq_tup_read + idx_tup_fetch), 0) AS BIGINT) FROM pg_stat_all_tables \
            WHERE schemaname = $1 AND relname = 'jobs'";
        let reads: i64 = pair.source.fetch_one(sql, &[&schema]).await.unwrap();
        assert!(reads > EVENTS, "the reads were counted: {reads}");
        assert!(
            reads < EVENTS * READS,
            "{reads} rows were read for {EVENTS} events"
        );
    }
}

/// Whatever is done for jobs and events, however many lie there.
#[db_test]
async fn claiming_releasing_and_purging_go_by_index_however_many_jobs_are_done(pair: Pair) {
    let all = [&pair.source, &pair.sink].map(|db| (db.clone(), Statements::of(db)));
    let source = pair.start_source().await;
    let sink = pair
        .start_sink(
            vec![Subscription::new("sink.write_down", write_down)],
            vec![],
            vec![],
        )
        .await;
    pair.emit(0, 0).await;
    pair.settle(&source, &sink).await;
    for (db, _) in &all {
        analyze(db).await;
    }
    for number in 1..30 {
        pair.emit(number % 3, number).await;
    }
    pair.settle(&source, &sink).await;
    source.stop(Duration::from_secs(5)).await;
    sink.stop(Duration::from_secs(5)).await;
    for many in [false, true] {
        for (db, statements) in &all {
            if many {
                add_done_jobs(db).await;
            }
            let mut waste = statements.waste(db).await;
            // The tests' own: what was done, and whether all is.
            let own = ["effects", "COUNT(*) FROM outbox"];
            waste.retain(|one| !own.iter().any(|part| one.sql.contains(part)));
            assert!(waste.is_empty(), "{waste:#?}");
            analyze(db).await;
        }
    }
}

async fn add_done_jobs(db: &Db) {
    let id = match db.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let sql = format!(
        "INSERT INTO jobs (queue, id, key, priority, state, payload, source, time, run_at, attempts, finished_at) \
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 30000) \
         SELECT 'sink.write_down', {id}, 'thing:1', 0, 'done', '', 'source', $1, $1, 1, $1 FROM n"
    );
    db.execute(&sql, &[&db.clock().now()]).await.unwrap();
}

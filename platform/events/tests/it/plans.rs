//! What many waiting jobs cost: no more for each than few did.

use std::time::Duration;

use stoa_db::{Engine, db_test};
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

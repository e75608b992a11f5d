//! Entries come into the chain, whatever happens meanwhile.

use std::time::{Duration, Instant};

use stoa_audit::{Against, Entry, Sealer, Sealing, TxExt};
use stoa_db::{Db, db_test};

use crate::log::{Log, key};

#[db_test]
async fn an_entry_is_kept_only_with_its_transaction(log: Log) {
    let mut tx = log.db.begin().await.unwrap();
    tx.audit(&Entry::new(None, "thing.change", "thing", None))
        .await
        .unwrap();
    tx.rollback().await;
    assert_eq!(log.count("1 = 1").await, 0);
}

#[db_test]
async fn entries_are_sealed_soon_after_their_commit_in_the_order_of_their_ids(log: Log) {
    let sealer = log.sealer();
    for number in 0..5 {
        log.write(number).await;
    }
    tokio::time::timeout(Duration::from_secs(3), log.settle())
        .await
        .expect("a commit wakes the sealer");
    let by_id: Vec<i64> = log
        .db
        .fetch_all("SELECT seq FROM audit ORDER BY id", &[])
        .await
        .unwrap();
    assert_eq!(by_id, [1, 2, 3, 4, 5]);
    sealer.stop().await;
}

#[db_test]
async fn a_sealer_that_stops_leaves_nothing_unsealed(log: Log) {
    let sealer = log.sealer();
    tokio::time::sleep(Duration::from_millis(20)).await;
    for number in 0..3 {
        log.write(number).await;
    }
    sealer.stop().await;
    assert_eq!(log.count("seq IS NULL").await, 0);
}

#[db_test]
async fn many_writers_and_more_than_one_batch_make_one_whole_chain(log: Log) {
    let sealer = log.sealer();
    write_from_many(&log, 16, 80).await;
    log.settle().await;
    sealer.stop().await;
    let found = log.verify().await;
    assert!(found.broken_at.is_none(), "{found:?}");
    assert_eq!((found.entries, found.unsealed, found.overdue), (16 * 80, 0, 0));
}

/// How fast a machine is differs, and so does what else it does meanwhile: both are measured in one round, one round of three must
/// do, and three times as slow would do. When sealing was slow it took five times as long as writing.
#[db_test]
async fn sealing_is_not_slower_than_many_writers(log: Log) {
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        write_from_many(&log, 64, 50).await;
        let wrote = begun.elapsed();
        let begun = Instant::now();
        log.sealer().stop().await;
        let sealed = begun.elapsed();
        assert_eq!(log.count("seq IS NULL").await, 0);
        if sealed < wrote * 3 {
            return;
        }
        rounds.push((wrote, sealed));
    }
    panic!("sealing is slow: {rounds:?}");
}

/// A backlog, such as a crash of the sealer leaves, goes in batches that grow.
#[db_test]
async fn a_backlog_of_many_batches_is_sealed(log: Log) {
    let mut tx = log.db.begin().await.unwrap();
    for _ in 0..20_000 {
        tx.audit(&Entry::new(None, "thing.change", "thing", None))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    log.sealer().stop().await;
    assert_eq!(log.count("seq IS NULL").await, 0);
}

#[db_test]
async fn two_sealers_do_not_spoil_each_others_work(log: Log) {
    let sealers = [log.sealer(), log.sealer(), log.sealer()];
    for _ in 0..4 {
        write_from_many(&log, 8, 20).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    log.settle().await;
    for sealer in sealers {
        sealer.stop().await;
    }
    let found = log.verify().await;
    assert!(found.broken_at.is_none(), "{found:?}");
    assert_eq!(found.entries, 4 * 8 * 20);
}

#[db_test]
async fn a_sealer_that_is_killed_at_any_point_spoils_nothing(log: Log) {
    let writer = {
        let log = log.clone();
        tokio::spawn(async move { write_from_many(&log, 8, 150).await })
    };
    for round in 0..60_u64 {
        let sealer = log.sealer();
        tokio::time::sleep(Duration::from_micros(200 + round * 97 % 3000)).await;
        drop(sealer);
        let found = log.verify().await;
        assert!(found.broken_at.is_none(), "round {round}: {found:?}");
    }
    writer.await.unwrap();
    log.sealer().stop().await;
    let found = log.verify().await;
    assert!(found.broken_at.is_none(), "{found:?}");
    assert_eq!((found.entries, found.unsealed), (8 * 150, 0));
}

#[db_test]
async fn the_log_verifies_while_it_is_written(log: Log) {
    let sealer = log.sealer();
    let writer = {
        let log = log.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                write_from_many(&log, 4, 30).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    let mut verified = 0;
    while !writer.is_finished() {
        let found = log.verify().await;
        assert!(found.broken_at.is_none(), "{found:?}");
        assert!(found.entries >= verified);
        verified = found.entries;
    }
    writer.await.unwrap();
    sealer.stop().await;
    assert_eq!(log.verify().await.entries, 600);
}

/// Only PostgreSQL commits so by itself; the chain goes by the order of sealing on both.
#[db_test]
async fn an_entry_that_comes_late_is_sealed_behind_what_was_before_it(log: Log) {
    log.sealed(3).await;
    let late = "INSERT INTO audit (id, at, action, resource_kind, organization_id, detail) SELECT $1, at, action, resource_kind, organization_id, detail FROM audit WHERE seq = 1";
    log.db.execute(late, &[&uuid::Uuid::from_u128(7)]).await.unwrap();
    log.sealer().stop().await;
    let seq: i64 = log
        .db
        .fetch_one(
            "SELECT seq FROM audit WHERE id = $1",
            &[&uuid::Uuid::from_u128(7)],
        )
        .await
        .unwrap();
    assert_eq!(seq, 4);
    assert!(log.verify().await.broken_at.is_none());
}

#[db_test]
async fn entries_that_nobody_seals_are_told_of(log: Log) {
    log.sealed(2).await;
    log.write(3).await;
    let found = log.verify().await;
    assert_eq!((found.entries, found.unsealed, found.overdue), (2, 1, 0));
    log.db.clock().advance(Duration::from_secs(61));
    let found = log.verify().await;
    assert_eq!((found.entries, found.unsealed, found.overdue), (2, 1, 1));
    assert!(found.broken_at.is_none());
}

#[db_test]
async fn an_empty_log_is_whole(db: Db) {
    db.migrate("audit", stoa_audit::MIGRATIONS).await.unwrap();
    Sealer::start(db.clone(), Sealing::new(key())).stop().await;
    let mut told = Vec::new();
    let found = stoa_audit::verify(&db, Against::default(), |done| told.push(done))
        .await
        .unwrap();
    assert!(found.broken_at.is_none());
    assert_eq!(
        (found.entries, found.unsealed, found.service.as_str()),
        (0, 0, "test")
    );
    assert_eq!(found.head, "0".repeat(64));
    assert!(told.is_empty());
}

async fn write_from_many(log: &Log, tasks: u128, each: u128) {
    let writers = (0..tasks).map(|task| {
        let log = log.clone();
        tokio::spawn(async move {
            for number in 0..each {
                log.write(task * each + number).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

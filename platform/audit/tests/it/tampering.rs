//! Whatever is done to a sealed log is found out, and where.

use std::time::Duration;

use stoa_audit::{Against, Entry, TxExt, verify};
use stoa_db::{Engine, db_test, testing::run};
use uuid::Uuid;

use crate::log::Log;

impl Log {
    /// Does something to the log; it must have changed so many rows.
    async fn tamper(&self, rows: u64, sql: &str) {
        assert_eq!(self.db.execute(sql, &[]).await.unwrap(), rows, "{sql}");
    }

    /// Where the log is found broken; its reason must contain these words.
    async fn broken_at(&self, words: &str) -> i64 {
        let found = self.verify().await;
        let broken = found.broken_at.expect("it is found out");
        assert!(broken.why.contains(words), "{}", broken.why);
        broken.seq
    }

    /// Gives the log back what `sql` took, so that the next way is tried on a whole one.
    async fn mend(&self, sql: &str) {
        self.tamper(1, sql).await;
        assert!(self.verify().await.broken_at.is_none(), "{sql}");
    }
}

#[db_test]
async fn a_change_in_any_column_is_found(log: Log) {
    log.sealed(5).await;
    let keep = "CREATE TABLE kept AS SELECT * FROM audit";
    log.db.execute(keep, &[]).await.unwrap();
    for column in ["action", "resource_kind", "detail", "request_id", "address"] {
        log.tamper(
            1,
            &format!("UPDATE audit SET {column} = {column} || ' ' WHERE seq = 3"),
        )
        .await;
        assert_eq!(log.broken_at("changed").await, 3, "{column}");
        log.mend(&format!(
            "UPDATE audit SET {column} = (SELECT {column} FROM kept WHERE seq = 3) WHERE seq = 3"
        ))
        .await;
    }
    for column in ["actor", "resource_id", "organization_id", "request_id", "address"] {
        log.tamper(1, &format!("UPDATE audit SET {column} = NULL WHERE seq = 3"))
            .await;
        assert_eq!(log.broken_at("changed").await, 3, "{column}");
        log.mend(&format!(
            "UPDATE audit SET {column} = (SELECT {column} FROM kept WHERE seq = 3) WHERE seq = 3"
        ))
        .await;
    }
    for column in ["id", "actor", "resource_id", "organization_id"] {
        let other = Uuid::from_u128(99);
        let changed = log
            .db
            .execute(
                &format!("UPDATE audit SET {column} = $1 WHERE seq = 3"),
                &[&other],
            )
            .await
            .unwrap();
        assert_eq!(changed, 1);
        assert_eq!(log.broken_at("changed").await, 3, "{column}");
        log.mend(&format!(
            "UPDATE audit SET {column} = (SELECT {column} FROM kept WHERE seq = 3) WHERE seq = 3"
        ))
        .await;
    }
    let later = log.db.clock().after(Duration::from_secs(1));
    log.db
        .execute("UPDATE audit SET at = $1 WHERE seq = 3", &[&later])
        .await
        .unwrap();
    assert_eq!(log.broken_at("changed").await, 3);
    log.mend("UPDATE audit SET at = (SELECT at FROM kept WHERE seq = 3) WHERE seq = 3")
        .await;
    log.db
        .execute("UPDATE audit SET hash = $1 WHERE seq = 3", &[&[7_u8; 32]])
        .await
        .unwrap();
    assert_eq!(log.broken_at("changed").await, 3);
    log.tamper(1, "UPDATE audit SET hash = NULL WHERE seq = 3").await;
    assert_eq!(log.broken_at("changed").await, 3);
}

#[db_test]
async fn a_missing_first_entry_is_found(log: Log) {
    log.sealed(4).await;
    log.tamper(1, "DELETE FROM audit WHERE seq = 1").await;
    assert_eq!(log.broken_at("missing").await, 1);
}

#[db_test]
async fn a_missing_entry_in_the_middle_is_found_and_so_are_gaps_closed_up(log: Log) {
    log.sealed(5).await;
    log.tamper(1, "DELETE FROM audit WHERE seq = 3").await;
    assert_eq!(log.broken_at("missing").await, 3);
    log.tamper(1, "UPDATE audit SET seq = 3 WHERE seq = 4").await;
    assert_eq!(log.broken_at("changed").await, 3);
}

#[db_test]
async fn a_missing_end_is_found(log: Log) {
    log.sealed(5).await;
    log.tamper(1, "DELETE FROM audit WHERE seq = 5").await;
    assert_eq!(log.broken_at("missing").await, 5);
    log.tamper(4, "DELETE FROM audit").await;
    assert_eq!(log.broken_at("missing").await, 1);
}

#[db_test]
async fn an_entry_taken_out_of_the_chain_is_found_also_when_it_is_sealed_again(log: Log) {
    log.sealed(4).await;
    log.tamper(
        1,
        "UPDATE audit SET seq = NULL, hash = NULL, action = 'thing.forged' WHERE seq = 2",
    )
    .await;
    assert_eq!(log.broken_at("missing").await, 2);
    log.sealer().stop().await;
    assert_eq!(log.count("seq = 5").await, 1);
    assert_eq!(log.broken_at("missing").await, 2);
}

#[db_test]
async fn two_entries_that_changed_places_are_found(log: Log) {
    log.sealed(4).await;
    log.tamper(1, "UPDATE audit SET seq = 100 WHERE seq = 2").await;
    log.tamper(1, "UPDATE audit SET seq = 2 WHERE seq = 3").await;
    log.tamper(1, "UPDATE audit SET seq = 3 WHERE seq = 100").await;
    assert_eq!(log.broken_at("changed").await, 2);
}

#[db_test]
async fn an_entry_put_in_is_found_wherever_it_stands(log: Log) {
    log.sealed(3).await;
    for (seq, found_at, words) in [
        (0_i64, 1, "put in"),
        (-5, 1, "put in"),
        (i64::MIN, 1, "put in"),
        (4, 4, "changed"),
        (9, 4, "missing"),
    ] {
        let sql = "INSERT INTO audit (id, at, action, resource_kind, detail, seq, hash) \
            SELECT $1, at, action, resource_kind, detail, $2, hash FROM audit WHERE seq = 1";
        log.db.execute(sql, &[&Uuid::from_u128(7), &seq]).await.unwrap();
        assert_eq!(log.broken_at(words).await, found_at, "put in at {seq}");
        let removed = log
            .db
            .execute("DELETE FROM audit WHERE seq = $1", &[&seq])
            .await
            .unwrap();
        assert_eq!(removed, 1);
    }
    assert!(log.verify().await.broken_at.is_none());
}

#[db_test]
async fn a_head_that_does_not_fit_is_found(log: Log) {
    log.sealed(3).await;
    log.db
        .execute("UPDATE audit_head SET hash = $1", &[&[1_u8; 32]])
        .await
        .unwrap();
    assert_eq!(log.broken_at("hash").await, 3);
    log.tamper(
        1,
        "UPDATE audit_head SET seq = 2, hash = (SELECT hash FROM audit WHERE seq = 2)",
    )
    .await;
    assert_eq!(log.broken_at("head does not count").await, 3);
    log.tamper(1, "UPDATE audit_head SET seq = 7").await;
    assert_eq!(log.broken_at("missing").await, 4);
    log.tamper(1, "DELETE FROM audit_head").await;
    assert_eq!(log.broken_at("head does not count").await, 1);
    // Nor is anything sealed onto a chain without a head.
    log.write(4).await;
    log.sealer().stop().await;
    assert_eq!(log.count("seq IS NULL").await, 1);
}

#[db_test]
async fn a_log_of_several_pages_is_verified_to_its_end(log: Log) {
    let mut tx = log.db.begin().await.unwrap();
    for _ in 0..2345 {
        tx.audit(&Entry::new(None, "thing.change", "thing", None))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    log.sealer().stop().await;
    let mut told = Vec::new();
    let found = verify(&log.db, Against::default(), |done| told.push(done))
        .await
        .unwrap();
    assert!(found.broken_at.is_none(), "{found:?}");
    assert_eq!(told, [1000, 2000, 2345]);
    log.tamper(1, "UPDATE audit SET action = 'thing.forged' WHERE seq = 2345")
        .await;
    assert_eq!(log.broken_at("changed").await, 2345);
}

/// SQLite takes any value in any column.
#[test]
fn values_of_types_that_nobody_writes_are_found() {
    run(Engine::Sqlite, async |log: Log| {
        log.sealed(5).await;
        log.tamper(1, "UPDATE audit SET detail = x'ff00' WHERE seq = 4")
            .await;
        assert_eq!(log.broken_at("detail").await, 4);
        log.tamper(1, "UPDATE audit_head SET hash = 12").await;
        assert_eq!(log.broken_at("head").await, 1);
    });
}

/// SQLite takes numbers that are not whole, and pages end at whole ones.
#[test]
fn an_entry_between_two_pages_is_found() {
    run(Engine::Sqlite, async |log: Log| {
        let mut tx = log.db.begin().await.unwrap();
        for _ in 0..1500 {
            tx.audit(&Entry::new(None, "thing.change", "thing", None))
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        log.sealer().stop().await;
        let sql = "INSERT INTO audit (id, at, action, resource_kind, detail, seq, hash) \
            SELECT x'00', at, 'thing.forged', resource_kind, detail, 1000.5, hash FROM audit WHERE seq = 1";
        log.tamper(1, sql).await;
        assert!(log.verify().await.broken_at.is_some());
    });
}

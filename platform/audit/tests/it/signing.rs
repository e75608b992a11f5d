//! Who lacks the key can neither cut a log off nor rewrite it, nor have either signed.

use std::time::Duration;

use sha2::{Digest, Sha256};
use stoa_audit::{
    Against, AuditKey, HeadFile, HeadRecord, Sealer, Sealing, Verification, anchor, check_key, read_records,
    verify,
};
use stoa_db::db_test;
use uuid::Uuid;

use crate::log::{Log, key};

impl Log {
    async fn compared(&self, key: &AuditKey, records: &[HeadRecord]) -> Verification {
        let against = Against {
            key: Some(key),
            records,
        };
        verify(&self.db, against, |_| {}).await.unwrap()
    }

    /// Deletes all entries behind `seq`, and lets the head say so, as somebody would who can write to the tables.
    async fn cut_off(&self, seq: i64) {
        let db = &self.db;
        db.execute("DELETE FROM audit WHERE seq > $1", &[&seq])
            .await
            .unwrap();
        let head = "UPDATE audit_head SET seq = $1, hash = (SELECT hash FROM audit WHERE seq = $1)";
        db.execute(head, &[&seq]).await.unwrap();
    }

    async fn execute(&self, sql: &str) {
        self.db.execute(sql, &[]).await.unwrap();
    }

    /// The tables and what is in them as before heads were signed.
    async fn lose_its_signature(&self) {
        self.execute("UPDATE audit_head SET key_id = NULL, mac = NULL")
            .await;
    }
}

fn file(folder: &tempfile::TempDir) -> HeadFile {
    HeadFile::new(folder.path().join("audit").join("heads.jsonl"))
}

fn sealing(file: &HeadFile) -> Sealing {
    Sealing {
        file: Some(file.clone()),
        ..Sealing::new(key())
    }
}

#[db_test]
async fn a_log_that_was_cut_off_together_with_its_head_is_found_out(log: Log) {
    log.sealed(9).await;
    assert!(log.verify().await.signed);
    log.cut_off(4).await;
    let found = log.verify().await;
    assert!(found.broken_at.unwrap().why.contains("not signed with the key"));
    assert!(!found.signed);
    // Without the key it cannot be seen: the hashes are right.
    let plain = verify(&log.db, Against::default(), |_| {}).await.unwrap();
    assert!(plain.broken_at.is_none() && !plain.signed);
}

#[db_test]
async fn a_forged_head_is_never_signed(log: Log) {
    log.sealed(9).await;
    log.cut_off(4).await;
    log.write(10).await;
    log.sealer().stop().await;
    assert_eq!(log.count("seq IS NULL").await, 1, "nothing is sealed behind it");
    assert!(log.verify().await.broken_at.is_some());
}

#[db_test]
async fn a_chain_that_was_computed_anew_is_found_out(log: Log) {
    log.sealed(1).await;
    // The one entry again, with another actor: its hash by the rules that everybody can read.
    let other = Uuid::from_u128(99);
    log.db
        .execute("UPDATE audit SET actor = $1", &[&other])
        .await
        .unwrap();
    let broken = log.verify().await.broken_at.unwrap();
    assert!(broken.why.contains("changed"), "{}", broken.why);
    let forged: [u8; 32] = Sha256::digest(b"whatever the rules make of it").into();
    log.db
        .execute("UPDATE audit_head SET hash = $1", &[&forged])
        .await
        .unwrap();
    log.db
        .execute("UPDATE audit SET hash = $1", &[&forged])
        .await
        .unwrap();
    assert!(log.verify().await.broken_at.is_some());
}

#[db_test]
async fn a_head_whose_signature_was_taken_away_is_signed_by_nobody_but_an_operator(log: Log) {
    log.sealed(9).await;
    log.cut_off(4).await;
    log.lose_its_signature().await;
    for _ in 0..2 {
        let found = log.verify().await;
        assert!(found.broken_at.unwrap().why.contains("not signed"));
        log.write(10).await;
        log.sealer().stop().await;
    }
    assert_eq!(log.count("seq IS NULL").await, 2, "nothing is sealed behind it");
    assert_eq!(log.count("action = 'audit.anchor'").await, 0);
    anchor(&log.db, &key()).await.unwrap();
    log.sealer().stop().await;
    let found = log.verify().await;
    assert!(found.broken_at.is_none() && found.signed, "{found:?}");
    let told = log
        .count("action = 'audit.anchor' AND detail LIKE '%\"entries\":4%'")
        .await;
    assert_eq!((told, found.entries), (1, 7));
}

#[db_test]
async fn a_head_that_was_put_back_to_the_beginning_is_found_out(log: Log) {
    log.sealed(3).await;
    log.execute("DELETE FROM audit").await;
    let sql = "UPDATE audit_head SET seq = 0, hash = $1, key_id = NULL, mac = NULL";
    log.db.execute(sql, &[&[0_u8; 32]]).await.unwrap();
    assert!(log.verify().await.broken_at.unwrap().why.contains("not signed"));
    log.write(4).await;
    log.sealer().stop().await;
    assert_eq!(log.count("seq IS NULL").await, 1, "nothing is sealed behind it");
}

#[db_test]
async fn a_log_whose_head_is_gone_goes_on_once_an_operator_says_so(log: Log) {
    log.sealed(3).await;
    log.execute("DELETE FROM audit_head").await;
    log.write(4).await;
    log.sealer().stop().await;
    assert_eq!(
        log.count("seq IS NULL").await,
        1,
        "nothing is sealed without a head"
    );
    anchor(&log.db, &key()).await.unwrap();
    log.sealer().stop().await;
    let found = log.verify().await;
    assert!(found.broken_at.is_none() && found.signed, "{found:?}");
    assert_eq!(found.entries, 5);
}

#[db_test]
async fn tables_from_before_the_key_verify_without_being_migrated(log: Log) {
    log.sealed(3).await;
    log.execute("ALTER TABLE audit_head DROP COLUMN mac").await;
    log.execute("ALTER TABLE audit_head DROP COLUMN key_id").await;
    log.execute("DROP TABLE audit_cut").await;
    let forget = "DELETE FROM _migrations WHERE migration_set = 'audit' AND version >= 2";
    log.execute(forget).await;
    forget_organizations(&log).await;
    let found = log.verify().await;
    assert!(found.broken_at.is_none() && !found.signed, "{found:?}");
    assert_eq!(found.entries, 3);
}

/// Tables as they were before entries named organizations, with entries of then.
async fn forget_organizations(log: &Log) {
    log.execute("DROP INDEX audit_organization").await;
    log.execute("ALTER TABLE audit DROP COLUMN organization_id").await;
}

#[db_test]
async fn tables_from_before_organizations_verify_without_being_migrated(log: Log) {
    log.sealed(3).await;
    log.execute("DELETE FROM _migrations WHERE migration_set = 'audit' AND version = 3")
        .await;
    forget_organizations(&log).await;
    let found = log.verify().await;
    assert!(found.broken_at.is_none() && found.signed, "{found:?}");
    assert_eq!(found.entries, 3);
}

#[db_test]
async fn another_key_is_refused_by_name(log: Log) {
    log.sealed(3).await;
    assert!(check_key(&log.db, &key()).await.is_ok());
    let other = AuditKey::new(&[8; 32]);
    let refusal = check_key(&log.db, &other).await.unwrap_err();
    assert!(
        refusal.contains("audit.secret") && refusal.contains("audit anchor"),
        "{refusal}"
    );
    log.write(4).await;
    Sealer::start(log.db.clone(), Sealing::new(other.clone()))
        .stop()
        .await;
    assert_eq!(log.count("seq IS NULL").await, 1);
    // Until an operator says that it is meant so.
    anchor(&log.db, &other).await.unwrap();
    Sealer::start(log.db.clone(), Sealing::new(other.clone()))
        .stop()
        .await;
    let found = log.compared(&other, &[]).await;
    assert!(found.broken_at.is_none() && found.signed, "{found:?}");
}

#[db_test]
async fn heads_kept_elsewhere_show_a_log_that_was_put_back(log: Log) {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    log.sealed(4).await;
    // The head as it was then, signature and all, as in a copy of the tables.
    log.execute("CREATE TABLE old AS SELECT * FROM audit_head").await;
    for number in 5..9 {
        log.write(number).await;
    }
    Sealer::start(log.db.clone(), sealing(&file)).stop().await;
    let records = file.read().unwrap();
    assert_eq!(records.last().map(|record| record.seq), Some(8));
    let found = log.compared(&key(), &records).await;
    assert!(
        found.broken_at.is_none() && found.compared == records.len(),
        "{found:?}"
    );

    log.execute("DELETE FROM audit WHERE seq > 4").await;
    log.execute("DELETE FROM audit_head").await;
    log.execute("INSERT INTO audit_head SELECT * FROM old").await;
    assert!(
        log.verify().await.broken_at.is_none(),
        "the tables alone are as they were"
    );
    let found = log.compared(&key(), &records).await;
    assert!(found.broken_at.unwrap().why.contains("counts 8"));
    log.write(9).await;
    Sealer::start(log.db.clone(), sealing(&file)).stop().await;
    assert_eq!(
        log.count("seq IS NULL").await,
        1,
        "nor is anything sealed behind it"
    );

    // A restored backup is taken as it is once somebody says so, and that is told in the log and in the file.
    file.add(&anchor(&log.db, &key()).await.unwrap()).unwrap();
    Sealer::start(log.db.clone(), sealing(&file)).stop().await;
    let found = log.compared(&key(), &file.read().unwrap()).await;
    assert!(found.broken_at.is_none() && found.signed, "{found:?}");
    assert_eq!(log.count("action = 'audit.anchor'").await, 1);
}

#[db_test]
async fn a_log_whose_signature_was_taken_away_is_not_taken_for_an_old_one(log: Log) {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    log.sealed(4).await;
    Sealer::start(log.db.clone(), sealing(&file)).stop().await;
    log.lose_its_signature().await;
    let found = log.compared(&key(), &file.read().unwrap()).await;
    assert!(found.broken_at.unwrap().why.contains("not signed"));
    log.write(5).await;
    Sealer::start(log.db.clone(), sealing(&file)).stop().await;
    assert_eq!(log.count("action = 'audit.anchor'").await, 0);
}

#[db_test]
async fn a_head_that_was_changed_where_it_is_kept_is_found_out(log: Log) {
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    log.sealed(4).await;
    Sealer::start(log.db.clone(), sealing(&file)).stop().await;
    let text = std::fs::read_to_string(file.path()).unwrap();
    let forged = read_records(&text.replace("\"seq\":4", "\"seq\":3")).unwrap();
    let found = log.compared(&key(), &forged).await;
    assert!(found.broken_at.unwrap().why.contains("changed where it is kept"));
    // A line that was not written to its end spoils neither those before it nor those after.
    std::fs::write(file.path(), format!("{text}{}", &text[..40])).unwrap();
    log.write(5).await;
    Sealer::start(log.db.clone(), sealing(&file)).stop().await;
    let seqs: Vec<_> = file.read().unwrap().iter().map(|record| record.seq).collect();
    assert_eq!((seqs.first(), seqs.last()), (Some(&4), Some(&5)));
}

#[db_test]
async fn old_entries_are_deleted_in_batches_and_the_rest_verifies(log: Log) {
    for number in 0..1200 {
        log.write(number).await;
    }
    log.sealer().stop().await;
    log.db.clock().advance(Duration::from_secs(3600));
    for number in 0..5 {
        log.write(number).await;
    }
    let keep = Sealing {
        keep: Some(Duration::from_secs(1800)),
        ..Sealing::new(key())
    };
    let sealer = Sealer::start(log.db.clone(), keep);
    let trimmed = async {
        while log.count("seq <= 1200").await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), trimmed)
        .await
        .expect("all that is old goes");
    sealer.stop().await;
    let found = log.verify().await;
    assert!(found.broken_at.is_none() && found.signed, "{found:?}");
    assert_eq!(found.trimmed, 1200);
    assert_eq!(log.count("action = 'audit.trim'").await, 1, "and the log says so");
    // Who deletes more, or moves the cut, is found out.
    log.execute("UPDATE audit_cut SET seq = 1201, hash = (SELECT hash FROM audit WHERE seq = 1201)")
        .await;
    log.execute("DELETE FROM audit WHERE seq = 1201").await;
    assert!(
        log.verify()
            .await
            .broken_at
            .unwrap()
            .why
            .contains("deleted by somebody else")
    );
}

#[db_test]
async fn what_was_tampered_with_is_not_trimmed_away(log: Log) {
    log.sealed(20).await;
    log.execute("UPDATE audit SET action = 'thing.forged' WHERE seq = 7")
        .await;
    log.db.clock().advance(Duration::from_secs(3600));
    let keep = Sealing {
        keep: Some(Duration::from_secs(1800)),
        ..Sealing::new(key())
    };
    Sealer::start(log.db.clone(), keep).stop().await;
    assert_eq!(log.count("seq = 7").await, 1);
    assert_eq!(log.verify().await.broken_at.unwrap().seq, 7);
}

//! A service's database with its audit log.

use std::time::Duration;

use stoa_audit::{Against, AuditKey, Entry, MIGRATIONS, Sealer, Sealing, TxExt, Verification, verify};
use stoa_db::{
    Db, Engine,
    testing::{DbTest, TestDatabase},
};
use stoa_kernel::{OrganizationId, UserId};
use uuid::Uuid;

#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) db: Db,
}

impl DbTest for Log {
    type Guard = <Db as DbTest>::Guard;

    async fn setup(engine: Engine) -> (Self, Self::Guard) {
        let (db, guard): (Db, (Db, TestDatabase)) = Db::setup(engine).await;
        db.migrate("audit", MIGRATIONS).await.unwrap();
        (Self { db }, guard)
    }

    async fn teardown(guard: Self::Guard) {
        Db::teardown(guard).await;
    }
}

/// The account with this number.
pub(crate) fn user(number: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(number))
}

/// The key of these tests.
pub(crate) fn key() -> AuditKey {
    AuditKey::new(&[7; 32])
}

impl Log {
    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::start(self.db.clone(), Sealing::new(key()))
    }

    /// One entry with something in every column.
    pub(crate) async fn write(&self, number: u128) {
        let organization = OrganizationId::from_uuid(Uuid::from_u128(number % 2));
        let entry = Entry {
            request_id: Some("r-1"),
            address: Some("192.0.2.1".into()),
            organization_id: Some(organization),
            ..Entry::new(
                Some(user(number % 3)),
                "thing.change",
                "thing",
                Some(Uuid::from_u128(number)),
            )
        };
        let mut tx = self.db.begin().await.unwrap();
        tx.audit(&entry.detail(serde_json::json!({ "number": number as u64, "to": "ä\u{0}" })))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// So many entries, sealed.
    pub(crate) async fn sealed(&self, entries: u128) {
        for number in 1..=entries {
            self.write(number).await;
        }
        self.sealer().stop().await;
        let found = self.verify().await;
        assert!(found.broken_at.is_none(), "{found:?}");
        assert_eq!(
            (found.entries, found.unsealed),
            (i64::try_from(entries).unwrap(), 0)
        );
    }

    pub(crate) async fn verify(&self) -> Verification {
        let against = Against {
            key: Some(&key()),
            records: &[],
        };
        verify(&self.db, against, |_| {}).await.unwrap()
    }

    pub(crate) async fn count(&self, condition: &str) -> i64 {
        self.db
            .fetch_one(&format!("SELECT COUNT(*) FROM audit WHERE {condition}"), &[])
            .await
            .unwrap()
    }

    /// Until everything that was written is sealed.
    pub(crate) async fn settle(&self) {
        tokio::time::timeout(Duration::from_secs(20), async {
            while self.count("seq IS NULL").await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("all is sealed within 20 s");
    }
}

//! Forward from every earlier version, and never backward.

use std::time::Duration;

use stoa_db::{Db, DbOptions, Engine, Error, Migration, db_test, testing::TestDatabase};

const ALL: [Migration; 3] = [
    Migration::new(
        "0001_create_notes",
        "CREATE TABLE notes (id BIGINT PRIMARY KEY); CREATE INDEX notes_by_id ON notes (id);",
    ),
    Migration::new(
        "0002_add_body",
        "ALTER TABLE notes ADD COLUMN body TEXT NOT NULL DEFAULT '';",
    ),
    Migration::new("0003_fill", "INSERT INTO notes (id, body) VALUES (1, 'from 3');"),
];

#[db_test]
async fn forward_from_every_earlier_version(db: Db) {
    for (set, from) in ["a", "b", "c", "d"].into_iter().zip(0..) {
        // One table a set, so that the sets do not meet.
        let all = ALL.map(|one| Migration {
            sql: Box::leak(one.sql.replace("notes", &format!("notes_{set}")).into_boxed_str()),
            ..one
        });
        let before = db.migrate(set, &all[..from]).await.unwrap();
        assert_eq!(before.applied.len(), from);
        assert_eq!(db.pending(set, &all).await.unwrap().len(), 3 - from);
        let after = db.migrate(set, &all).await.unwrap();
        assert_eq!(after.applied.len(), 3 - from);
        assert!(
            db.migrate(set, &all).await.unwrap().applied.is_empty(),
            "again changes nothing"
        );
        let body: String = db
            .fetch_one(&format!("SELECT body FROM notes_{set} WHERE id = 1"), &[])
            .await
            .unwrap();
        assert_eq!(body, "from 3");
    }
}

#[db_test]
async fn a_database_that_is_newer_than_the_program_is_refused(db: Db) {
    db.migrate("set", &ALL).await.unwrap();
    for ours in [&ALL[..2], &[]] {
        let refused = db.migrate("set", ours).await.unwrap_err();
        let Error::Migration(said) = refused else {
            panic!("{refused}")
        };
        assert!(
            said.contains("newer than this program") && said.contains("0003_fill"),
            "{said}"
        );
    }
}

#[db_test]
async fn a_migration_that_was_changed_afterwards_is_refused(db: Db) {
    db.migrate("set", &ALL[..2]).await.unwrap();
    let mut changed = ALL;
    changed[1].sql = "ALTER TABLE notes ADD COLUMN text TEXT;";
    assert!(matches!(
        db.migrate("set", &changed).await,
        Err(Error::Migration(_))
    ));
}

const HALF: Migration = Migration::new(
    "0002_half",
    "INSERT INTO notes (id) VALUES (5); INSERT INTO nowhere (id) VALUES (5);",
);

#[db_test]
async fn a_failing_migration_leaves_nothing_of_itself(db: Db) {
    db.migrate("set", &ALL[..1]).await.unwrap();
    let failed = db.migrate("set", &[ALL[0], HALF]).await.unwrap_err();
    assert!(
        matches!(&failed, Error::Migration(said) if said.contains("set/0002_half")),
        "{failed}"
    );
    let count = db.fetch_one::<i64>("SELECT COUNT(*) FROM notes", &[]).await;
    assert_eq!(count.unwrap(), 0);
    let applied = db.migrate("set", &ALL).await.unwrap().applied;
    assert_eq!(applied, ["0002_add_body", "0003_fill"]);
}

#[db_test]
async fn a_failing_migration_leaves_a_new_database_empty(db: Db) {
    let failed = db.migrate("set", &[ALL[0], HALF]).await.unwrap_err();
    assert!(
        matches!(&failed, Error::Migration(said) if said.contains("set/0002_half")),
        "{failed}"
    );
    let count = db.fetch_one::<i64>("SELECT COUNT(*) FROM notes", &[]).await;
    assert!(count.is_err(), "there is no such table");
    assert_eq!(db.migrate("set", &ALL).await.unwrap().applied.len(), 3);
}

#[db_test]
async fn programs_that_start_at_once_apply_each_migration_once(db: Db) {
    let starters: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let db = db.clone();
                async move { db.migrate("set", &ALL).await }
            })
        })
        .collect();
    let mut applied = 0;
    for starter in starters {
        applied += starter.await.unwrap().unwrap().applied.len();
    }
    assert_eq!(applied, 3);
}

/// A statement of a request is ended after a while. An index over ten million rows takes longer, and so does waiting for
/// another program that builds it.
#[tokio::test]
async fn a_migration_takes_longer_than_a_statement_of_a_request_may() {
    let place = TestDatabase::new(Engine::Postgres);
    let limit = Duration::from_millis(300);
    let options = || DbOptions {
        statement_timeout: limit,
        ..place.options("slow")
    };
    let (one, two) = (
        Db::open(options()).await.unwrap(),
        Db::open(options()).await.unwrap(),
    );
    let slow = [Migration::new("0001_slow", "SELECT pg_sleep(1);")];
    let (first, second) = tokio::join!(one.migrate("slow", &slow), two.migrate("slow", &slow));
    assert_eq!(first.unwrap().applied.len() + second.unwrap().applied.len(), 1);
    let request = one
        .fetch_one::<String>("SELECT CAST(pg_sleep(2) AS TEXT)", &[])
        .await;
    assert!(matches!(request, Err(Error::TimedOut)), "{request:?}");
    drop((one, two));
    place.remove().await;
}

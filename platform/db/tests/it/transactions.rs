//! Transactions: whole or not at all, alike on both engines.

use std::time::Duration;

use stoa_db::{Db, DbOptions, Engine, Error, ToValue, db_test, testing::TestDatabase};

async fn things(db: &Db) {
    db.execute(
        "CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL, version BIGINT NOT NULL)",
        &[],
    )
    .await
    .unwrap();
}

async fn count(db: &Db) -> i64 {
    db.fetch_one("SELECT COUNT(*) FROM things", &[]).await.unwrap()
}

const INSERT: &str = "INSERT INTO things (id, name, version) VALUES ($1, $2, 1)";

#[db_test]
async fn what_is_committed_is_read_and_what_is_dropped_is_not(db: Db) {
    things(&db).await;
    let mut tx = db.begin().await.unwrap();
    tx.execute(INSERT, &[&1_i64, &"kept"]).await.unwrap();
    assert_eq!(
        tx.fetch_one::<i64>("SELECT COUNT(*) FROM things", &[])
            .await
            .unwrap(),
        1,
        "a transaction sees its own work"
    );
    assert_eq!(count(&db).await, 0, "others do not, before the commit");
    tx.commit().await.unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.execute(INSERT, &[&2_i64, &"dropped"]).await.unwrap();
    drop(tx);
    let mut tx = db.begin().await.unwrap();
    tx.execute(INSERT, &[&3_i64, &"rolled back"]).await.unwrap();
    tx.rollback().await;
    assert_eq!(
        db.fetch_all::<String>("SELECT name FROM things", &[])
            .await
            .unwrap(),
        ["kept"]
    );
}

#[db_test]
async fn a_failed_statement_undoes_its_own_transaction_alone(db: Db) {
    things(&db).await;
    db.execute(INSERT, &[&0_i64, &"there"]).await.unwrap();
    let tasks: Vec<_> = (1..=40_i64)
        .map(|id| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.begin().await.unwrap();
                tx.execute(INSERT, &[&id, &"fine"]).await.unwrap();
                if id % 4 == 0 {
                    let failed = tx.execute(INSERT, &[&0_i64, &"twice"]).await.unwrap_err();
                    assert!(matches!(failed, Error::Unique), "{failed}");
                    let after = tx.execute(INSERT, &[&(id + 1000), &"after"]).await.unwrap_err();
                    assert!(matches!(after, Error::TxFailed), "{after}");
                    assert!(matches!(tx.commit().await.unwrap_err(), Error::TxFailed));
                } else {
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&db).await, 31);
    let kept: i64 = db
        .fetch_one("SELECT COUNT(*) FROM things WHERE id > 0 AND id % 4 = 0", &[])
        .await
        .unwrap();
    assert_eq!(kept, 0);
}

#[db_test]
async fn of_two_writers_on_one_row_one_wins(db: Db) {
    things(&db).await;
    db.execute(INSERT, &[&1_i64, &"one"]).await.unwrap();
    for version in 1..20_i64 {
        let race = |name: &'static str| {
            let db = db.clone();
            tokio::spawn(async move {
                let sql = "UPDATE things SET name = $1, version = version + 1 WHERE id = 1 AND version = $2";
                db.execute(sql, &[&name, &version]).await.unwrap()
            })
        };
        let (a, b) = (race("a"), race("b"));
        assert_eq!(a.await.unwrap() + b.await.unwrap(), 1, "version {version}");
    }
}

#[db_test]
async fn signals_follow_the_commit(db: Db) {
    things(&db).await;
    let mut signals = db.signals();
    let mut tx = db.begin().await.unwrap();
    tx.execute(INSERT, &[&1_i64, &"one"]).await.unwrap();
    tx.signal();
    assert!(!signals.has_changed().unwrap());
    tx.commit().await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), signals.changed())
        .await
        .unwrap()
        .unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.signal();
    tx.rollback().await;
    assert!(!signals.has_changed().unwrap());
}

#[db_test]
async fn a_commit_that_nobody_waits_for_is_done_and_signalled(db: Db) {
    things(&db).await;
    let mut signals = db.signals();
    let mut tx = db.begin().await.unwrap();
    tx.execute(INSERT, &[&1_i64, &"one"]).await.unwrap();
    tx.signal();
    let mut commit = Box::pin(tx.commit());
    let _ = futures::poll!(&mut commit);
    drop(commit);
    tokio::time::timeout(Duration::from_secs(5), signals.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(count(&db).await, 1);
}

#[db_test]
async fn whatever_goes_wrong_in_a_transaction_fails_the_whole_of_it(db: Db) {
    things(&db).await;
    db.execute(INSERT, &[&0_i64, &"there"]).await.unwrap();
    let wrongs: [(&str, &[&dyn ToValue]); 6] = [
        ("SELECT nothing FROM nowhere", &[]),
        ("SELEC", &[]),
        ("SELECT name FROM things WHERE id = $1", &[]),
        ("SELECT name FROM things WHERE name = $1", &[&"a\0b"]),
        ("SELECT name FROM things; DELETE FROM things", &[]),
        // A text, where a number is asked for below.
        ("SELECT name FROM things", &[]),
    ];
    for (sql, params) in wrongs {
        let mut tx = db.begin().await.unwrap();
        tx.execute(INSERT, &[&1_i64, &"one"]).await.unwrap();
        assert!(tx.fetch_one::<i64>(sql, params).await.is_err(), "{sql}");
        assert!(
            matches!(
                tx.fetch_all::<i64>("SELECT id FROM things", &[]).await,
                Err(Error::TxFailed)
            ),
            "{sql}"
        );
        assert!(matches!(tx.commit().await, Err(Error::TxFailed)), "{sql}");
        assert_eq!(count(&db).await, 1, "{sql}");
    }
}

#[db_test]
async fn rows_are_counted_only_by_statements_that_change_them(db: Db) {
    things(&db).await;
    let mut tx = db.begin().await.unwrap();
    assert_eq!(
        tx.execute(
            "INSERT INTO things (id, name, version) VALUES (1, 'a', 1), (2, 'b', 1)",
            &[]
        )
        .await
        .unwrap(),
        2
    );
    assert_eq!(
        tx.execute("CREATE TABLE others (id BIGINT)", &[]).await.unwrap(),
        0
    );
    assert_eq!(tx.execute("UPDATE things SET version = 2", &[]).await.unwrap(), 2);
    assert_eq!(
        tx.execute(
            "INSERT INTO things (id, name, version) VALUES (1, 'c', 1) ON CONFLICT DO NOTHING",
            &[]
        )
        .await
        .unwrap(),
        0
    );
    assert_eq!(
        tx.execute("DELETE FROM things WHERE id = 9", &[]).await.unwrap(),
        0
    );
    tx.commit().await.unwrap();
}

#[db_test]
async fn a_foreign_key_holds(db: Db) {
    db.execute("CREATE TABLE parents (id BIGINT PRIMARY KEY)", &[])
        .await
        .unwrap();
    db.execute(
        "CREATE TABLE children (id BIGINT PRIMARY KEY, parent BIGINT NOT NULL REFERENCES parents (id))",
        &[],
    )
    .await
    .unwrap();
    let failed = db
        .execute("INSERT INTO children (id, parent) VALUES (1, 2)", &[])
        .await
        .unwrap_err();
    assert!(matches!(failed, Error::ForeignKey), "{failed}");
    let mut tx = db.begin().await.unwrap();
    let failed = tx
        .fetch_one::<i64>(
            "INSERT INTO children (id, parent) VALUES (1, 2) RETURNING id",
            &[],
        )
        .await
        .unwrap_err();
    assert!(matches!(failed, Error::ForeignKey), "{failed}");
}

#[db_test]
async fn returning_and_on_conflict_answer_alike(db: Db) {
    things(&db).await;
    let upsert = "INSERT INTO things (id, name, version) VALUES ($1, $2, 1) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = things.version + 1 RETURNING version";
    let mut tx = db.begin().await.unwrap();
    assert_eq!(tx.fetch_one::<i64>(upsert, &[&7_i64, &"a"]).await.unwrap(), 1);
    assert_eq!(tx.fetch_one::<i64>(upsert, &[&7_i64, &"b"]).await.unwrap(), 2);
    let nothing =
        "INSERT INTO things (id, name, version) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING RETURNING id";
    assert_eq!(
        tx.fetch_optional::<i64>(nothing, &[&7_i64, &"c"]).await.unwrap(),
        None
    );
    assert_eq!(
        tx.execute("UPDATE things SET name = 'd' WHERE id = $1", &[&7_i64])
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        tx.execute("DELETE FROM things WHERE id = $1", &[&8_i64])
            .await
            .unwrap(),
        0
    );
    assert!(matches!(
        tx.fetch_one::<i64>("SELECT id FROM things WHERE id = 9", &[])
            .await
            .unwrap_err(),
        Error::NotFound
    ));
    tx.commit()
        .await
        .expect("finding nothing is no failure of the transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_for_a_turn_is_told_busy() {
    let place = TestDatabase::new(Engine::Sqlite);
    let options = DbOptions {
        wait: Duration::from_millis(50),
        ..place.options("test")
    };
    let db = Db::open(options).await.unwrap();
    things(&db).await;
    let mut first = db.begin().await.unwrap();
    first.execute(INSERT, &[&1_i64, &"one"]).await.unwrap();
    assert!(matches!(db.begin().await.err(), Some(Error::Busy)));
    first.commit().await.unwrap();
    db.execute(INSERT, &[&2_i64, &"two"]).await.unwrap();
    assert_eq!(count(&db).await, 2);
    place.remove().await;
}

#[db_test]
async fn a_closed_database_says_so(db: Db) {
    things(&db).await;
    db.close().await;
    assert!(db.execute(INSERT, &[&1_i64, &"late"]).await.is_err());
    assert!(db.fetch_all::<i64>("SELECT id FROM things", &[]).await.is_err());
}

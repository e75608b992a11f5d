//! Plans: the same whatever statistics somebody has gathered, and by index.

use rusqlite::Connection;
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, TestDatabase, analyze},
};

const TABLE: &str = "CREATE TABLE things (id BIGINT PRIMARY KEY, state TEXT NOT NULL, at BIGINT NOT NULL)";
const INDEX: &str = "CREATE INDEX things_ready ON things (at) WHERE state = 'ready'";
const READY: &str = "SELECT id FROM things WHERE state = 'ready' AND at < $1 ORDER BY at LIMIT 10";
const BY_ID: &str = "UPDATE things SET at = at + 1 WHERE id = $1 AND state = 'ready'";
const WHOLE: &str = "SELECT id FROM things WHERE at > $1";

async fn ask(db: &Db) {
    db.fetch_all::<i64>(READY, &[&0_i64]).await.unwrap();
    db.execute(BY_ID, &[&1_i64]).await.unwrap();
    db.fetch_all::<i64>(WHOLE, &[&0_i64]).await.unwrap();
}

async fn add(db: &Db, from: i64, to: i64) {
    let sql = "WITH RECURSIVE n (i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2) \
        INSERT INTO things (id, state, at) SELECT i, 'done', i FROM n";
    db.execute(sql, &[&from, &to]).await.unwrap();
}

#[db_test]
async fn statements_go_by_index_whatever_was_analysed_and_the_one_that_cannot_is_found(db: Db) {
    db.execute(TABLE, &[]).await.unwrap();
    db.execute(INDEX, &[]).await.unwrap();
    let statements = Statements::of(&db);
    add(&db, 1, 3).await;
    analyze(&db).await;
    ask(&db).await;
    assert_eq!(statements.count(), 4);
    for to in [0, 20_000] {
        if to > 0 {
            add(&db, 4, to).await;
        }
        let waste = statements.waste(&db).await;
        assert_eq!(waste.len(), 1, "{waste:?}");
        assert_eq!(waste[0].sql, WHOLE);
        analyze(&db).await;
    }
}

/// The plan that a connection of ours makes of a statement that could go by either of two indices.
async fn plan(db: &Db) -> String {
    let rows: Vec<(i64, i64, i64, String)> = db
        .fetch_all(
            "EXPLAIN QUERY PLAN SELECT id FROM things WHERE state = 'done' AND at = 5",
            &[],
        )
        .await
        .unwrap();
    rows.into_iter().map(|(.., line)| line).collect()
}

#[tokio::test]
async fn statistics_of_another_program_or_an_older_version_change_no_plan() {
    let place = TestDatabase::new(Engine::Sqlite);
    let path = place.folder().join("test.db");
    let mut db = Db::open(place.options("test")).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    for index in ["things_state ON things (state)", "things_at ON things (at)"] {
        db.execute(&format!("CREATE INDEX {index}"), &[]).await.unwrap();
    }
    let before = plan(&db).await;
    // Statistics by which the other index is the better one, or none is.
    for (state, at) in [
        ("1 1", "1000000 1000000"),
        ("1000000 1000000", "1 1"),
        ("1 1", "1 1"),
    ] {
        let other = Connection::open(&path).unwrap();
        other.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        other
            .execute_batch("ANALYZE; PRAGMA optimize(0x10002); DELETE FROM sqlite_stat1")
            .unwrap();
        let insert = "INSERT INTO sqlite_stat1 (tbl, idx) VALUES ('things', 'things_state')";
        other.execute(insert, []).unwrap();
        assert_eq!(plan(&db).await, before);
        // As an older version has left it.
        db.close().await;
        other
            .execute_batch(&format!(
                "PRAGMA writable_schema = ON; DROP TABLE sqlite_stat1; DROP TABLE sqlite_stat4; PRAGMA writable_schema = OFF; \
                 ANALYZE; DELETE FROM sqlite_stat1; \
                 INSERT INTO sqlite_stat1 VALUES ('things', 'things_state', '{state}'), ('things', 'things_at', '{at}')"
            ))
            .unwrap();
        drop(other);
        db = Db::open(place.options("test")).await.unwrap();
        assert_eq!(plan(&db).await, before);
        assert_eq!(
            db.fetch_one::<String>("PRAGMA integrity_check", &[])
                .await
                .unwrap(),
            "ok"
        );
    }
    db.close().await;
    place.remove().await;
}

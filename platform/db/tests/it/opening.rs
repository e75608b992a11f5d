//! Opening, and what goes wrong with the disk.

use std::{fs, os::unix::fs::PermissionsExt};

use stoa_db::{Db, DbOptions, Engine, Error, testing::Place};

#[tokio::test]
async fn the_file_and_its_companions_are_for_the_owner_alone() {
    let place = Place::new(Engine::Sqlite);
    let db = Db::open(place.options("test")).await.unwrap();
    db.execute("CREATE TABLE notes (id BIGINT)", &[]).await.unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(place.folder()).unwrap().flatten() {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
        seen += 1;
    }
    assert!(seen >= 2, "the database and its log");
    place.remove().await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_corrupts_nothing() {
    let place = Place::new(Engine::Sqlite);
    let options = DbOptions { max_pages: Some(64), durable: true, ..place.options("test") };
    let db = Db::open(options).await.unwrap();
    db.execute("CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT NOT NULL)", &[]).await.unwrap();
    let body = "x".repeat(3000);
    let mut kept = 0_i64;
    let full = loop {
        match db.execute("INSERT INTO notes (id, body) VALUES ($1, $2)", &[&kept, &body]).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, Error::Full), "{full}");
    assert!(kept > 10);
    // Reading goes on, and writing as soon as there is room.
    assert_eq!(db.fetch_one::<i64>("SELECT COUNT(*) FROM notes", &[]).await.unwrap(), kept);
    db.execute("DELETE FROM notes WHERE id < 5", &[]).await.unwrap();
    db.execute("INSERT INTO notes (id, body) VALUES (-1, 'room again')", &[]).await.unwrap();
    assert_eq!(db.fetch_one::<String>("PRAGMA integrity_check", &[]).await.unwrap(), "ok");
    db.close().await;
    place.remove().await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_with_its_path() {
    let place = Place::new(Engine::Sqlite);
    let file = place.folder().join("a_file");
    fs::write(&file, "no folder").unwrap();
    let url = format!("sqlite:{}", file.join("test.db").display());
    let error = Db::open(DbOptions::new(url, "test")).await.err().unwrap();
    assert!(matches!(&error, Error::Open(said) if said.contains("a_file/test.db")), "{error}");

    let garbage = place.folder().join("garbage.db");
    fs::write(&garbage, "this is not a database, and long enough to be read as a page of one".repeat(100)).unwrap();
    let error = Db::open(DbOptions::new(format!("sqlite:{}", garbage.display()), "test")).await.err().unwrap();
    assert!(matches!(&error, Error::Open(said) if said.contains("garbage.db")), "{error}");
    assert!(fs::read_to_string(&garbage).unwrap().starts_with("this is not"), "it was left as it was");
    place.remove().await;
}

#[tokio::test]
async fn an_address_of_no_engine_is_refused() {
    for url in ["mysql://x", "", "file.db", "sqlite:"] {
        assert!(matches!(Db::open(DbOptions::new(url, "test")).await, Err(Error::Open(_))), "{url}");
    }
}

#[tokio::test]
async fn a_schema_name_cannot_carry_sql() {
    let place = Place::new(Engine::Postgres);
    for schema in ["a; DROP SCHEMA public", "a\"b", "Ä", "A", "", "a b", "a-b"] {
        let options = DbOptions { schema: Some(schema.to_owned()), ..place.options("test") };
        assert!(matches!(Db::open(options).await, Err(Error::Open(_))), "{schema}");
    }
    place.remove().await;
}

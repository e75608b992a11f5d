//! Opening, and what goes wrong with the disk.

use std::{fs, os::unix::fs::PermissionsExt};

use stoa_db::{Db, DbOptions, Engine, Error, testing::TestDatabase};

#[tokio::test]
async fn the_file_and_its_companions_are_for_the_owner_alone() {
    let place = TestDatabase::new(Engine::Sqlite);
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
async fn what_cannot_be_opened_is_told_with_its_path() {
    let place = TestDatabase::new(Engine::Sqlite);
    let file = place.folder().join("a_file");
    fs::write(&file, "no folder").unwrap();
    let url = format!("sqlite:{}", file.join("test.db").display());
    let error = Db::open(DbOptions::new(url, "test")).await.err().unwrap();
    assert!(
        matches!(&error, Error::Open(said) if said.contains("a_file/test.db")),
        "{error}"
    );

    let garbage = place.folder().join("garbage.db");
    fs::write(
        &garbage,
        "this is not a database, and long enough to be read as a page of one".repeat(100),
    )
    .unwrap();
    let error = Db::open(DbOptions::new(format!("sqlite:{}", garbage.display()), "test"))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, Error::Open(said) if said.contains("garbage.db")),
        "{error}"
    );
    assert!(
        fs::read_to_string(&garbage).unwrap().starts_with("this is not"),
        "it was left as it was"
    );
    place.remove().await;
}

#[tokio::test]
async fn an_address_of_no_engine_is_refused() {
    for url in ["mysql://x", "", "file.db", "sqlite:", "sqlite::memory:"] {
        assert!(
            matches!(Db::open(DbOptions::new(url, "test")).await, Err(Error::Open(_))),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_schema_name_cannot_carry_sql() {
    let place = TestDatabase::new(Engine::Postgres);
    for schema in [
        "a; DROP SCHEMA public",
        "a\"b",
        "Ä",
        "A",
        "",
        "a b",
        "a-b",
        "1a",
        "pg_a",
        &"a".repeat(64),
    ] {
        let options = DbOptions {
            schema: Some(schema.to_owned()),
            ..place.options("test")
        };
        let refused = Db::open(options).await.err();
        assert!(
            matches!(&refused, Some(Error::Open(said)) if said.contains("cannot name a schema")),
            "{schema}: {refused:?}"
        );
    }
    place.remove().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_told_without_the_password() {
    for url in [
        "postgres://stoa:hunter2@127.0.0.1:1/stoa",
        "postgres://stoa:hunter2@127.0.0.1:port/stoa",
    ] {
        let said = Db::open(DbOptions::new(url, "test"))
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            said.contains("cannot be opened") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

//! What was deleted is gone from the files, too.

use std::{fs, path::Path, time::Duration};

use stoa_db::{Db, Engine, testing::TestDatabase};

const MARK: &[u8] = b"erased-person";

/// How often the mark stands in any file of the folder.
fn traces(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            bytes.windows(MARK.len()).filter(|part| *part == MARK).count()
        })
        .sum()
}

async fn insert(db: &Db, id: i64, name: &str) {
    let sql = "INSERT INTO people (id, email, body) VALUES ($1, $2, $3)";
    // Addresses that begin differently, so that pages of the index are split in the middle.
    let email = format!("{}-{name}-{id}@example.com", id * 7919 % 1000);
    let body = format!("{name} {}", "x".repeat(usize::try_from(id * 31 % 300).unwrap()));
    db.execute(sql, &[&id, &email, &body]).await.unwrap();
}

#[tokio::test]
async fn what_was_deleted_is_soon_in_no_file() {
    let place = TestDatabase::new(Engine::Sqlite);
    let db = Db::open(place.options("test")).await.unwrap();
    let table = "CREATE TABLE people (id BIGINT PRIMARY KEY, email TEXT NOT NULL UNIQUE, body TEXT NOT NULL)";
    db.execute(table, &[]).await.unwrap();
    for id in 0..1500 {
        let name = if id % 10 == 0 { "erased-person" } else { "somebody" };
        insert(&db, id, name).await;
    }
    assert!(traces(place.folder()) > 100);
    let mut tx = db.begin().await.unwrap();
    tx.execute("DELETE FROM people WHERE id % 10 = 0", &[])
        .await
        .unwrap();
    tx.shred();
    tx.commit().await.unwrap();
    // While others go on reading and writing.
    for id in 1500.. {
        insert(&db, id, "somebody").await;
        db.fetch_all::<i64>("SELECT id FROM people WHERE id < 10", &[])
            .await
            .unwrap();
        if traces(place.folder()) == 0 {
            break;
        }
        assert!(id < 4500, "it is still there after a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    db.close().await;
    place.remove().await;
}

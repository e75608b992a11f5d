//! What goes wrong beneath SQLite: full disks, folders that cannot be written to, sudden death. Each is told in clear words,
//! corrupts nothing, and leaves neither more nor less than what was acknowledged.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use stoa_db::{Db, DbOptions, Engine, Error, testing::TestDatabase};
use tokio::sync::oneshot;

use crate::child;

const TABLE: &str = "CREATE TABLE pairs (id BIGINT NOT NULL, half BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (id, half))";

async fn write_pair(db: &Db, id: i64) -> Result<(), Error> {
    let body = "x".repeat(500);
    let mut tx = db.begin().await?;
    tx.execute(
        "INSERT INTO pairs (id, half, body) VALUES ($1, 0, $2)",
        &[&id, &body],
    )
    .await?;
    tx.execute(
        "INSERT INTO pairs (id, half, body) VALUES ($1, 1, $2)",
        &[&id, &body],
    )
    .await?;
    tx.commit().await
}

/// Ids of the pairs, none of which may be halved.
async fn pairs(db: &Db) -> BTreeSet<i64> {
    let counts: Vec<(i64, i64)> = db
        .fetch_all("SELECT id, COUNT(*) FROM pairs GROUP BY id", &[])
        .await
        .unwrap();
    assert!(counts.iter().all(|(_, count)| *count == 2), "half a pair");
    counts.into_iter().map(|(id, _)| id).collect()
}

fn ids(told: &[String]) -> BTreeSet<i64> {
    told.iter()
        .filter_map(|line| line.strip_prefix("kept "))
        .map(|id| id.parse().unwrap())
        .collect()
}

/// Sixteen tasks write pairs and tell each that was acknowledged, until one fails; returns those failures.
async fn write_until_it_fails(db: &Db) -> Vec<Error> {
    let tasks: Vec<_> = (0..16_i64)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    let id = n * 16 + task;
                    match write_pair(&db, id).await {
                        Ok(()) => child::tell(format!("kept {id}")),
                        Err(error) => return error,
                    }
                }
                unreachable!("the loop has no end")
            })
        })
        .collect();
    let mut failures = Vec::new();
    for task in tasks {
        failures.push(task.await.unwrap());
    }
    failures
}

#[tokio::test]
async fn a_full_disk_is_told_and_corrupts_nothing() {
    let place = TestDatabase::new(Engine::Sqlite);
    let options = DbOptions {
        max_pages: Some(64),
        durable: true,
        ..place.options("test")
    };
    let db = Db::open(options).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    let failures = write_until_it_fails(&db).await;
    for failure in failures {
        assert!(matches!(failure, Error::Full), "{failure}");
    }
    let kept = pairs(&db).await;
    assert!(kept.len() > 10);
    // Reading goes on, and writing as soon as there is room.
    db.execute(
        "DELETE FROM pairs WHERE id IN (SELECT id FROM pairs ORDER BY id LIMIT 20)",
        &[],
    )
    .await
    .unwrap();
    write_pair(&db, -1).await.unwrap();
    assert_eq!(
        db.fetch_one::<String>("PRAGMA integrity_check", &[])
            .await
            .unwrap(),
        "ok"
    );
    db.close().await;
    place.remove().await;
}

#[tokio::test]
async fn when_a_commit_fails_every_member_is_told_and_nothing_is_kept() {
    let place = TestDatabase::new(Engine::Sqlite);
    let path = place.folder().join("test.db");
    // The log may not outgrow a megabyte or two, as little as the shell's unit is agreed on. Without the trap a signal would end it.
    let limit = "trap '' XFSZ; ulimit -f 2048;";
    let output = child::test(limit, "disk::child_that_may_not_write_much", &path)
        .output()
        .unwrap();
    let told = child::told(&output.stdout);
    assert!(
        output.status.success(),
        "{told:?} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(told.iter().any(|line| line.starts_with("failed 16 ")), "{told:?}");
    let db = child::reopened(&path).await;
    let (acknowledged, kept) = (ids(&told), pairs(&db).await);
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    assert_eq!(kept, acknowledged);
    db.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test, in a process that may not write much"]
async fn child_that_may_not_write_much() {
    let db = Db::open(child::options()).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    let failures = write_until_it_fails(&db).await;
    assert!(
        failures
            .iter()
            .all(|failure| matches!(failure, Error::Engine(_) | Error::Full)),
        "{failures:?}"
    );
    child::tell(format!("failed {} times: {}", failures.len(), failures[0]));
    assert!(!pairs(&db).await.is_empty(), "reading goes on");
    db.close().await;
}

#[tokio::test]
async fn after_sudden_death_all_that_was_acknowledged_is_there() {
    for round in 0..5 {
        let place = TestDatabase::new(Engine::Sqlite);
        let path = place.folder().join("test.db");
        let mut child = child::test("", "disk::child_that_is_killed", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (begun, has_begun) = oneshot::channel();
        let reading = std::thread::spawn(move || {
            let (mut output, mut begun) = (Vec::new(), Some(begun));
            while stdout.read_until(b'\n', &mut output).unwrap() > 0 {
                if output.ends_with(b"told begun\n") {
                    begun.take().unwrap().send(()).unwrap();
                }
            }
            output
        });
        has_begun.await.unwrap();
        tokio::time::sleep(Duration::from_millis(60 + round * 37)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = ids(&child::told(&reading.join().unwrap()));
        let db = child::reopened(&path).await;
        let kept = pairs(&db).await;
        assert!(
            acknowledged.is_subset(&kept),
            "lost: {:?}",
            acknowledged.difference(&kept)
        );
        write_pair(&db, -1).await.unwrap();
        db.close().await;
        place.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test, which kills it"]
async fn child_that_is_killed() {
    let db = Db::open(child::options()).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    child::tell("begun");
    write_until_it_fails(&db).await;
}

/// Makes a database with a pair in it, closed and whole.
async fn a_closed_database(path: &Path) {
    let db = Db::open(DbOptions::new(format!("sqlite:{}", path.display()), "test"))
        .await
        .unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    write_pair(&db, 1).await.unwrap();
    db.close().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_told_with_its_path() {
    let place = TestDatabase::new(Engine::Sqlite);
    fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    let folder = place.folder().join("locked");
    fs::create_dir(&folder).unwrap();
    let (there, missing) = (folder.join("there.db"), folder.join("missing.db"));
    a_closed_database(&there).await;
    let before = fs::read(&there).unwrap();
    if child::is_root() {
        chown(&there, Some(child::NOBODY), Some(child::NOBODY)).unwrap();
        chown(&folder, Some(child::NOBODY), Some(child::NOBODY)).unwrap();
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    for path in [&there, &missing] {
        let output = child::test_as_plain_user(place.folder(), "disk::child_in_a_locked_folder", path)
            .output()
            .unwrap();
        let told = child::told(&output.stdout).join(" ");
        assert!(
            output.status.success(),
            "{told} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(told.starts_with("the database cannot be written to"), "{told}");
        assert!(
            told.contains(path.to_str().unwrap()) && told.contains("let this user write to it"),
            "{told}"
        );
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::read(&there).unwrap(), before);
    assert_eq!(pairs(&child::reopened(&there).await).await.len(), 1);
    place.remove().await;
}

#[tokio::test]
#[ignore = "run by another test, as a user who may not write"]
async fn child_in_a_locked_folder() {
    child::tell(Db::open(child::options()).await.err().unwrap());
}

#[tokio::test]
async fn a_database_that_can_only_be_read_is_read_and_refuses_writing() {
    let place = TestDatabase::new(Engine::Sqlite);
    let path = place.folder().join("test.db");
    a_closed_database(&path).await;
    // Byte 18 of the header is the version needed to write: one that is not known yet makes the file read-only to this SQLite.
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(18)).unwrap();
    file.write_all(&[3]).unwrap();
    drop(file);
    let before = fs::read(&path).unwrap();
    let db = Db::open(DbOptions::new(format!("sqlite:{}", path.display()), "test"))
        .await
        .unwrap();
    assert_eq!(pairs(&db).await.len(), 1);
    let writers: Vec<_> = (2..10)
        .map(|id| {
            tokio::spawn({
                let db = Arc::new(db.clone());
                async move { write_pair(&db, id).await }
            })
        })
        .collect();
    for writer in writers {
        let refused = writer.await.unwrap().unwrap_err();
        assert!(matches!(refused, Error::ReadOnly(_)), "{refused}");
    }
    assert_eq!(pairs(&db).await.len(), 1);
    db.close().await;
    assert_eq!(fs::read(&path).unwrap(), before);
    place.remove().await;
}

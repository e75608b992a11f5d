//! The one process is killed while it stores objects: what was acknowledged is there, and no bytes are without their row.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rand::{RngExt, rngs::StdRng};
use reqwest::Method;
use serde_json::json;
use sha2::{Digest, Sha256};
use stoa_db::{Db, DbOptions};

use super::rounds;
use crate::{
    stoa::{Caller, Stoa, folder, token},
    system,
};

const WRITERS: usize = 4;
/// What a killed process had begun is given up soon.
const SOON: [(&str, &str); 1] = [("STORAGE__UPLOAD_ABANDONED", "1s")];

/// What a writer knows of its path: the number that was acknowledged, and the one that may have been stored after.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    acknowledged: usize,
    sent: usize,
}

/// The object of a number: its size depends on it as well.
fn object(writer: usize, number: usize) -> Vec<u8> {
    let mut object = format!("{writer} {number}\n").into_bytes();
    object.resize(object.len() + (number * 97_001) % 1_500_000, b'.');
    object
}

fn path(writer: usize) -> String {
    format!("/api/v1/storage/crash/writers/{writer}")
}

/// Stores one object after the other under a path, until the process is gone.
async fn write(stoa: Caller, token: String, writer: usize, mut known: Known) -> Known {
    loop {
        known.sent += 1;
        let call = stoa.request(Method::PUT, &path(writer)).bearer_auth(&token);
        match call.body(object(writer, known.sent)).send().await {
            Ok(answer) if answer.status().is_success() => known.acknowledged = known.sent,
            Ok(answer) => assert!(answer.status().is_server_error(), "{}", answer.status()),
            Err(_) => return known,
        }
    }
}

/// What is stored is what was acknowledged last, or what was sent after.
async fn check(stoa: &Caller, token: &str, writer: usize, known: &mut Known) {
    let found = stoa.get(&path(writer), token).await;
    if known.acknowledged == 0 && found.status() == 404 {
        return;
    }
    assert_eq!(found.status(), 200);
    let found = found.bytes().await.unwrap();
    let is = |number| found == object(writer, number);
    assert!(is(known.acknowledged) || is(known.sent), "{known:?}");
    if is(known.sent) {
        known.acknowledged = known.sent;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_stores_it_loses_nothing_and_leaves_nothing() {
    if !system::is_embedded("the one process is not killed") {
        return;
    }
    let (rounds, mut random) = rounds(12);
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    let token = token(&stoa.register("writer@example.com").await).to_owned();
    let call = stoa
        .request(Method::POST, "/api/v1/storage/buckets")
        .bearer_auth(&token);
    let made = call
        .json(&json!({"name": "crash", "versioning": false}))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    stoa.kill();

    let mut known = [Known::default(); WRITERS];
    for _ in 0..rounds {
        round(&data_dir, &token, &mut known, &mut random).await;
    }
    // Whatever was under way is given up by now, and swept when it starts.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stoa = Stoa::serve_with(&data_dir, &SOON);
    for (writer, known) in known.iter_mut().enumerate() {
        check(&stoa, &token, writer, known).await;
    }
    let leftovers = leftovers(&data_dir).await;
    assert!(leftovers.is_empty(), "{leftovers:#?}");
    assert!(stoa.terminate().success());
    let acknowledged: usize = known.iter().map(|known| known.acknowledged).sum();
    assert!(
        acknowledged > rounds as usize,
        "only {acknowledged} objects were acknowledged"
    );
    println!("crash: {acknowledged} objects acknowledged");
}

async fn round(data_dir: &Path, token: &str, known: &mut [Known; WRITERS], random: &mut StdRng) {
    let stoa = Stoa::serve_with(data_dir, &SOON);
    let mut writers = Vec::new();
    for (writer, known) in known.iter_mut().enumerate() {
        check(&stoa, token, writer, known).await;
        writers.push(tokio::spawn(write(
            (*stoa).clone(),
            token.to_owned(),
            writer,
            *known,
        )));
    }
    tokio::time::sleep(Duration::from_millis(random.random_range(20..600))).await;
    stoa.kill();
    for (known, writer) in known.iter_mut().zip(writers) {
        *known = writer.await.unwrap();
    }
}

/// What is at odds between rows and files, once nothing is under way any more.
async fn leftovers(data_dir: &Path) -> Vec<String> {
    let url = format!("sqlite:{}", data_dir.join("storage.db").display());
    let db = Db::open(DbOptions::new(url, "storage")).await.unwrap();
    let mut wrong = Vec::new();
    for _ in 0..300 {
        wrong = compare(&db, &data_dir.join("objects/storage")).await;
        if wrong.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    db.close().await;
    wrong
}

async fn compare(db: &Db, folder: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let pending: i64 = db
        .fetch_one("SELECT COUNT(*) FROM pending_blobs", &[])
        .await
        .unwrap();
    if pending > 0 {
        wrong.push(format!("{pending} pending"));
    }
    let mut on_disk: HashSet<PathBuf> = files(folder).into_iter().collect();
    let chunks: Vec<(uuid::Uuid, Vec<u8>)> =
        db.fetch_all("SELECT id, sha256 FROM chunks", &[]).await.unwrap();
    for (id, sha256) in chunks {
        let id = id.to_string();
        let file = folder.join(&id[id.len() - 2..]).join(&id);
        match fs::read(&file) {
            Ok(bytes) if Sha256::digest(&bytes).as_slice() == sha256 => {}
            Ok(_) => wrong.push(format!("{} has other bytes", file.display())),
            Err(error) => wrong.push(format!("{}: {error}", file.display())),
        }
        on_disk.remove(&file);
    }
    wrong.extend(
        on_disk
            .into_iter()
            .map(|file| format!("{} is nobody's", file.display())),
    );
    let sums = "SELECT (SELECT COALESCE(SUM(size), 0) FROM versions) - (SELECT SUM(bytes) FROM owners), \
                (SELECT COUNT(*) FROM versions) - (SELECT SUM(objects) FROM owners), \
                (SELECT COUNT(*) FROM versions) - (SELECT SUM(refs) FROM blobs)";
    let sums: (i64, i64, i64) = db.fetch_one(sums, &[]).await.unwrap();
    if sums != (0, 0, 0) {
        wrong.push(format!(
            "bytes, objects and references are miscounted by {sums:?}"
        ));
    }
    wrong
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.flat_map(|entry| {
        let path = entry.path();
        if path.is_dir() { files(&path) } else { vec![path] }
    });
    found.collect()
}

//! What lies in the tables slows nobody down, whatever SQLite's statistics say of them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use stoa_db::{Db, DbOptions, testing::analyze, transfer};

use super::number;
use crate::{
    stoa::{Stoa, folder, token},
    system,
};

/// Requests of one measurement, and how many of them are under way at once.
const PUTS: usize = 400;
const AT_ONCE: usize = 16;
/// Measurements of each, at most: other things run on the machine, too.
const ROUNDS: usize = 15;
/// The share of the rate on an empty folder that must be reached.
const SHARE: f64 = 0.9;

#[tokio::test(flavor = "multi_thread")]
async fn a_million_audit_entries_and_finished_jobs_slow_no_write_after_a_restart() {
    if !system::is_embedded("the files are not filled") {
        return;
    }
    let entries = number("STOA_TEST_BACKLOG").unwrap_or(40_000_i64);
    let (_empty, empty_dir) = folder();
    let (_full, full_dir) = folder();
    // The first journey, and statistics of what is there then.
    let first = Stoa::serve(&full_dir);
    let ada = first.register("ada@example.com").await;
    put(&first, token(&ada), 0).await;
    await_jobs(&first, token(&ada)).await;
    assert!(first.terminate().success());
    // auth has no jobs of its own after a registration.
    for (service, has_jobs) in [("auth", false), ("users", true)] {
        let db = open(&full_dir, service).await;
        analyze(&db).await;
        if has_jobs {
            multiply(&db, "jobs", "state = 'done'", &[], entries / 2).await;
        }
        multiply(&db, "audit", "seq IS NOT NULL", &[("seq", "-n.i")], entries).await;
        db.close().await;
    }
    let (empty, full) = (Stoa::serve(&empty_dir), Stoa::serve(&full_dir));
    let bob = empty.register("bob@example.com").await;
    let ada = full.login("ada@example.com").await;
    let (mut best_empty, mut best_full) = (0.0_f64, 0.0_f64);
    for round in 0..ROUNDS {
        best_empty = best_empty.max(rate(&empty, token(&bob)).await);
        best_full = best_full.max(rate(&full, token(&ada)).await);
        println!("backlog: {best_empty:.0} a second on an empty folder, {best_full:.0} on a full one");
        if round >= 2 && best_full >= best_empty * SHARE {
            break;
        }
    }
    assert!(
        best_full >= best_empty * SHARE,
        "{best_full:.0} writes a second with {entries} audit entries, {best_empty:.0} without"
    );
    let stopping = Instant::now();
    assert!(full.terminate().success());
    assert!(
        stopping.elapsed() < Duration::from_secs(20),
        "nothing keeps it from stopping"
    );
}

async fn open(data_dir: &Path, service: &str) -> Db {
    let url = format!("sqlite:{}", data_dir.join(format!("{service}.db")).display());
    Db::open(DbOptions::new(url, service)).await.unwrap()
}

/// Adds copies of a table's rows, with ids of their own.
async fn multiply(db: &Db, table: &str, which: &str, others: &[(&str, &str)], count: i64) {
    let tables = transfer::tables(db).await.unwrap();
    let table = tables.into_iter().find(|one| one.name == table).unwrap();
    let names: Vec<_> = table.columns.into_iter().map(|column| column.name).collect();
    let values: Vec<_> = names
        .iter()
        .map(|name| match others.iter().find(|(other, _)| other == name) {
            Some((_, value)) => (*value).to_owned(),
            None if name == "id" => "randomblob(16)".to_owned(),
            None => format!("t.{name}"),
        })
        .collect();
    let table = &table.name;
    let sql = format!(
        "INSERT INTO {table} ({}) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
         SELECT {} FROM n CROSS JOIN (SELECT * FROM {table} WHERE {which} LIMIT 1) AS t",
        names.join(", "),
        values.join(", ")
    );
    assert!(
        db.execute(&sql, &[&count]).await.unwrap() > 0,
        "{table} has a row to be copied"
    );
}

/// Waits until the activity shows what the first write caused: then its jobs are done.
async fn await_jobs(stoa: &Stoa, token: &str) {
    for _ in 0..400 {
        let health: Value = stoa.look("/health").await.json().await.unwrap();
        let settled = |name: &str| {
            health["checks"].as_array().into_iter().flatten().any(|check| {
                check["name"] == name && check["detail"]["outbox"] == "0" && check["detail"]["ready"] == "0"
            })
        };
        if settled("auth.events") && settled("users.events") {
            assert_eq!(stoa.get("/api/v1/users/me", token).await.status(), 200);
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!(
        "the first journey did not come to rest: {}",
        stoa.look("/health").await.text().await.unwrap()
    );
}

async fn put(stoa: &Stoa, token: &str, number: usize) {
    let path = format!("/api/v1/users/me/preferences/p{}", number % 50);
    let request = stoa.request(Method::PUT, &path).bearer_auth(token);
    let answer = request.json(&json!({ "value": number })).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// Preferences set in a second.
async fn rate(stoa: &Stoa, token: &str) -> f64 {
    let begun = Instant::now();
    stream::iter(0..PUTS)
        .for_each_concurrent(AT_ONCE, |number| put(stoa, token, number))
        .await;
    PUTS as f64 / begun.elapsed().as_secs_f64()
}

//! The data layer alone, beside sqlx doing the same work.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use stoa_db::{Db, DbOptions};
use tokio::process::Command;

use crate::report::Report;

/// Tasks that work at once.
const TASKS: i64 = 64;
/// Rows that the reads choose from.
const ROWS: i64 = 10_000;

pub(crate) async fn measure(sqlx: &Path, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(DbOptions::new(
        format!("sqlite:{}", folder.path().join("bench.db").display()),
        "bench",
    ))
    .await?;
    db.execute(
        "CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL, n BIGINT NOT NULL)",
        &[],
    )
    .await?;
    let writer = db.clone();
    let writes = for_a_while(seconds, move |id| {
        let db = writer.clone();
        async move {
            let mut tx = db.begin().await?;
            tx.execute(
                "INSERT INTO things (id, name, n) VALUES ($1, $2, $3)",
                &[&id, &"a thing with a name", &id],
            )
            .await?;
            tx.commit().await
        }
    })
    .await?;
    let reader = db.clone();
    let reads = for_a_while(seconds, move |id| {
        let db = reader.clone();
        async move {
            let found: (String, i64) = db
                .fetch_one("SELECT name, n FROM things WHERE id = $1", &[&(id % ROWS)])
                .await?;
            assert!(found.1 == id % ROWS);
            Ok(())
        }
    })
    .await?;
    db.close().await;
    let (sqlx_writes, sqlx_reads) = peer(sqlx, seconds).await?;
    row(
        report,
        "db alone: fsynced transactions, 64 tasks",
        writes,
        sqlx_writes,
        40_000.0,
    );
    row(
        report,
        "db alone: point reads, 64 tasks",
        reads,
        sqlx_reads,
        150_000.0,
    );
    Ok(())
}

fn row(report: &mut Report, what: &str, ours: f64, theirs: f64, least: f64) {
    report.bounded(
        what,
        format!("{ours:.0}/s"),
        format!("{:.1} times sqlx's {theirs:.0}/s", ours / theirs),
        &format!("at least {least:.0}/s"),
        ours >= least,
    );
}

/// Runs `work` from all tasks, with numbers that count up from 0, and returns how many were done in a second.
async fn for_a_while<F, W>(seconds: u64, work: F) -> Result<f64, crate::Error>
where
    F: Fn(i64) -> W + Send + Sync + 'static,
    W: Future<Output = Result<(), stoa_db::Error>> + Send + 'static,
{
    let (work, done) = (Arc::new(work), Arc::new(AtomicU64::new(0)));
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (work, done) = (Arc::clone(&work), Arc::clone(&done));
            tokio::spawn(async move {
                let mut id = task;
                while Instant::now() < end {
                    work(id).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                    id += TASKS;
                }
                Ok::<_, stoa_db::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

/// The peer prints `<transactions per second> <reads per second>`.
async fn peer(sqlx: &Path, seconds: u64) -> Result<(f64, f64), crate::Error> {
    let output = Command::new(sqlx).arg(seconds.to_string()).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    match (figures.next(), figures.next()) {
        (Some(Ok(writes)), Some(Ok(reads))) => Ok((writes, reads)),
        _ => Err(format!(
            "the sqlx peer said: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into()),
    }
}

//! The work of `bench/src/db.rs`, by sqlx: 64 tasks, fsynced one-row transactions, then point reads.
//!   bench-sqlx SECONDS     prints: transactions/s reads/s

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

const TASKS: i64 = 64;
const ROWS: i64 = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let seconds: u64 = std::env::args().nth(1).ok_or("usage: bench-sqlx SECONDS")?.parse()?;
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("bench.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30));
    // One connection for writes, as SQLite has one writer, and four for reads: sqlx's best arrangement here.
    let wait = Duration::from_secs(60);
    let writer = SqlitePoolOptions::new().max_connections(1).acquire_timeout(wait).connect_with(options.clone()).await?;
    let readers = SqlitePoolOptions::new().max_connections(4).acquire_timeout(wait).connect_with(options).await?;
    sqlx::query("CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL, n BIGINT NOT NULL)").execute(&writer).await?;
    for id in 0..ROWS {
        insert(&writer, -1 - id).await?;
    }
    let writes = for_a_while(seconds, writer, |pool, id| async move { insert(&pool, id).await }).await?;
    let reads = for_a_while(seconds, readers, |pool, id| async move {
        let id = -1 - id % ROWS;
        let (_, n): (String, i64) =
            sqlx::query_as("SELECT name, n FROM things WHERE id = $1").bind(id).fetch_one(&pool).await?;
        assert!(n == id);
        Ok(())
    })
    .await?;
    println!("{writes:.0} {reads:.0}");
    Ok(())
}

async fn insert(pool: &SqlitePool, id: i64) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO things (id, name, n) VALUES ($1, $2, $3)")
        .bind(id)
        .bind("a thing with a name")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

async fn for_a_while<F, W>(seconds: u64, pool: SqlitePool, work: F) -> Result<f64, Box<dyn std::error::Error + Send + Sync>>
where
    F: Fn(SqlitePool, i64) -> W + Send + Sync + 'static,
    W: Future<Output = Result<(), sqlx::Error>> + Send + 'static,
{
    let (work, done) = (Arc::new(work), Arc::new(AtomicU64::new(0)));
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (work, done, pool) = (Arc::clone(&work), Arc::clone(&done), pool.clone());
            tokio::spawn(async move {
                let mut id = task;
                while Instant::now() < end {
                    work(pool.clone(), id).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                    id += TASKS;
                }
                Ok::<_, sqlx::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
}

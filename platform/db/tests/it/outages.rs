//! A server that goes away, is slow, or is cut off in the middle of a commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use stoa_db::{Db, DbOptions, Error};
use stoa_engines::Postgres;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const TABLE: &str = "CREATE TABLE things (id BIGINT PRIMARY KEY)";
const INSERT: &str = "INSERT INTO things (id) VALUES ($1)";

fn options(url: String) -> DbOptions {
    DbOptions {
        wait: Duration::from_secs(2),
        ..DbOptions::new(url, "test")
    }
}

async fn ids(db: &Db) -> Result<Vec<i64>, Error> {
    db.fetch_all("SELECT id FROM things ORDER BY id", &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_started_again_is_used_as_before() {
    let mut postgres = Postgres::start();
    let db = Db::open(options(postgres.url())).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    // Every connection there can be, so that all of them are lost.
    let mut held = Vec::new();
    for id in 0..4_i64 {
        let mut tx = db.begin().await.unwrap();
        tx.execute(INSERT, &[&id]).await.unwrap();
        held.push(tx);
    }
    for tx in held {
        tx.commit().await.unwrap();
    }
    assert_eq!(ids(&db).await.unwrap(), [0, 1, 2, 3]);
    for kill in [true, false] {
        if kill {
            postgres.kill();
        } else {
            postgres.stop();
        }
        for refused in [
            ids(&db).await.map(drop),
            db.begin().await.map(drop),
            db.execute(INSERT, &[&9_i64]).await.map(drop),
        ] {
            assert!(
                matches!(refused, Err(Error::Busy | Error::Unknown)),
                "whoever asks meanwhile is told to try again: {refused:?}"
            );
        }
        postgres.start_again();
        assert_eq!(ids(&db).await.unwrap(), [0, 1, 2, 3], "nothing was lost or added");
        for _ in 0..6 {
            db.begin().await.unwrap().commit().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_ended_by_the_server() {
    let postgres = Postgres::start();
    for pooler in [false, true] {
        let db = Db::open(DbOptions {
            statement_timeout: Duration::from_millis(200),
            pooler,
            ..options(postgres.url())
        })
        .await
        .unwrap();
        let slow = "SELECT CAST(pg_sleep(30) AS TEXT)";
        let read = db.fetch_one::<()>(slow, &[]).await;
        assert!(matches!(read, Err(Error::TimedOut)), "{read:?}");
        let mut tx = db.begin().await.unwrap();
        let within = tx.fetch_one::<()>(slow, &[]).await;
        assert!(matches!(within, Err(Error::TimedOut)), "{within:?}");
        assert!(matches!(tx.commit().await, Err(Error::TxFailed)));
        // Nobody is heard of for too long: the server gives the transaction up, and its locks with it.
        let tx = db.begin().await.unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(matches!(tx.commit().await, Err(Error::Busy)));
        db.begin().await.unwrap().commit().await.unwrap();
    }
}

/// Passes everything between clients and the server, until it is told to cut a connection.
struct Proxy {
    url: String,
    cut: Arc<AtomicU8>,
}

const PASS: u8 = 0;
/// The server never hears of the COMMIT.
const CUT_BEFORE: u8 = 1;
/// The server does it, and its answer is lost.
const CUT_AFTER: u8 = 2;
/// The next message is answered with what PgBouncer says when it hangs up.
const HANG_UP: u8 = 3;
/// FATAL, with no severity for programs, and 08P01.
const HUNG_UP: &[u8] = b"E\0\0\0\x2dSFATAL\0C08P01\0Minvalid server parameter\0\0";

impl Proxy {
    async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "postgres://stoa@{}/postgres?sslmode=disable",
            listener.local_addr().unwrap()
        );
        let cut = Arc::new(AtomicU8::new(PASS));
        tokio::spawn({
            let cut = Arc::clone(&cut);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    tokio::spawn(pass(client, server, Arc::clone(&cut)));
                }
            }
        });
        Self { url, cut }
    }

    async fn open(&self, pooler: bool) -> Db {
        let options = DbOptions {
            pooler,
            ..options(self.url.clone())
        };
        Db::open(options).await.unwrap()
    }
}

async fn pass(client: TcpStream, server: TcpStream, cut: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let muted = Arc::new(AtomicBool::new(false));
    let hangs_up = Arc::new(AtomicBool::new(false));
    let back = tokio::spawn({
        let (muted, hangs_up) = (Arc::clone(&muted), Arc::clone(&hangs_up));
        async move {
            let mut buffer = vec![0; 65536];
            while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                if hangs_up.load(Ordering::SeqCst) {
                    let _ = to_client.write_all(HUNG_UP).await;
                    return;
                }
                if muted.load(Ordering::SeqCst) || to_client.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    });
    let mut buffer = vec![0; 65536];
    while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
        let sent = &buffer[..count];
        if cut
            .compare_exchange(HANG_UP, PASS, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
        {
            hangs_up.store(true, Ordering::SeqCst);
            to_server.write_all(sent).await.unwrap();
            back.await.unwrap();
            return;
        }
        if sent.windows(6).any(|six| six == b"COMMIT") {
            match cut.load(Ordering::SeqCst) {
                CUT_BEFORE => break,
                CUT_AFTER => {
                    muted.store(true, Ordering::SeqCst);
                    to_server.write_all(sent).await.unwrap();
                    // The server has committed once it answers; the client never hears of it.
                    back.await.unwrap();
                    return;
                }
                _ => {}
            }
        }
        to_server.write_all(sent).await.unwrap();
    }
    back.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_which_nothing_is_known_is_never_acknowledged() {
    let postgres = Postgres::start();
    let proxy = Proxy::start(postgres.port()).await;
    for pooler in [false, true] {
        let db = proxy.open(pooler).await;
        db.execute("DROP TABLE IF EXISTS things", &[]).await.unwrap();
        db.execute(TABLE, &[]).await.unwrap();
        for (id, cut, kept) in [(1_i64, CUT_BEFORE, false), (2, CUT_AFTER, true), (3, PASS, true)] {
            let mut tx = db.begin().await.unwrap();
            tx.execute(INSERT, &[&id]).await.unwrap();
            tx.signal();
            let signals = db.signals();
            proxy.cut.store(cut, Ordering::SeqCst);
            let committed = tx.commit().await;
            proxy.cut.store(PASS, Ordering::SeqCst);
            if cut == PASS {
                committed.unwrap();
            } else {
                assert!(matches!(committed, Err(Error::Unknown)), "{committed:?}");
                assert!(!signals.has_changed().unwrap());
            }
            assert_eq!(ids(&db).await.unwrap().contains(&id), kept, "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_that_a_killed_server_has_not() {
    let mut postgres = Postgres::start();
    let db = Db::open(options(postgres.url())).await.unwrap();
    db.execute(TABLE, &[]).await.unwrap();
    let writers: Vec<_> = (0..4_i64)
        .map(|writer| {
            let db = db.clone();
            tokio::spawn(async move {
                let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
                for n in 0.. {
                    let id = writer * 1_000_000 + n;
                    let done = async {
                        let mut tx = db.begin().await?;
                        tx.execute(INSERT, &[&id]).await?;
                        tx.commit().await
                    };
                    match done.await {
                        Ok(()) => acknowledged.push(id),
                        Err(Error::Unknown) => unknown.push(id),
                        Err(Error::Busy) => break,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                (acknowledged, unknown)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    postgres.kill();
    let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
    for writer in writers {
        let (kept, open) = writer.await.unwrap();
        acknowledged.extend(kept);
        unknown.extend(open);
    }
    postgres.start_again();
    let there = ids(&db).await.unwrap();
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    for id in &acknowledged {
        assert!(
            there.binary_search(id).is_ok(),
            "{id} was acknowledged and is gone"
        );
    }
    for id in &there {
        assert!(
            acknowledged.contains(id) || unknown.contains(id),
            "{id} is there, though its writer was told otherwise"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_asked_again_where_the_pooler_hangs_up_and_says_why() {
    assert_eq!(HUNG_UP.len() - 1, usize::from(HUNG_UP[4]), "as long as it says");
    let postgres = Postgres::start();
    let proxy = Proxy::start(postgres.port()).await;
    for pooler in [false, true] {
        let db = proxy.open(pooler).await;
        for _ in 0..5 {
            let read: i64 = db.fetch_one("SELECT CAST(1 AS BIGINT)", &[]).await.unwrap();
            assert_eq!(read, 1);
            db.begin().await.unwrap().commit().await.unwrap();
            proxy.cut.store(HANG_UP, Ordering::SeqCst);
        }
        proxy.cut.store(PASS, Ordering::SeqCst);
    }
}

//! A mail server that says nothing, or that refuses people; and what an operator does about it with `stoa jobs`.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use stoa_db::{Db, DbOptions};
use stoa_events::EventId;
use stoa_kernel::Timestamp;

use crate::{
    postgres::Database,
    stoa::{Stoa, folder, run_with, token},
};

/// How long something is waited for: a mail server that failed several times is left alone for half a minute and more.
const PATIENCE: Duration = Duration::from_secs(180);

const SILENT: u8 = 0;
const REFUSES: u8 = 1;
const TAKES: u8 = 2;

/// A mail server that does as it is told.
struct MailServer {
    url: String,
    manner: Arc<AtomicU8>,
    /// Recipients of what it took.
    taken: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    fn start(manner: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
        let (manner, taken) = (Arc::new(AtomicU8::new(manner)), Arc::default());
        let server = Self {
            url,
            manner: Arc::clone(&manner),
            taken: Arc::clone(&taken),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (manner, taken) = (Arc::clone(&manner), Arc::clone(&taken));
                std::thread::spawn(move || talk(stream, &manner, &taken));
            }
        });
        server
    }

    fn set(&self, manner: u8) {
        self.manner.store(manner, Ordering::SeqCst);
    }

    fn taken(&self) -> Vec<String> {
        let mut taken = self.taken.lock().unwrap().clone();
        taken.sort_unstable();
        taken
    }
}

fn talk(stream: TcpStream, manner: &AtomicU8, taken: &Mutex<Vec<String>>) -> Option<()> {
    if manner.load(Ordering::SeqCst) == SILENT {
        // Until the client has had enough.
        let _ = BufReader::new(stream).lines().next();
        return None;
    }
    let mut write = stream.try_clone().ok()?;
    let mut lines = BufReader::new(stream).lines();
    let mut recipient = String::new();
    write.write_all(b"220 mail ESMTP\r\n").ok()?;
    while let Some(line) = lines.next().and_then(Result::ok) {
        let answer = match line.split([' ', ':']).next()? {
            "EHLO" => "250-mail\r\n250 8BITMIME",
            "RCPT" if manner.load(Ordering::SeqCst) == REFUSES => "550 5.1.1 no such mailbox",
            "RCPT" => {
                recipient = line;
                "250 fine"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").ok()?;
                while lines.next()?.ok()? != "." {}
                taken.lock().unwrap().push(recipient.clone());
                "250 taken"
            }
            _ => "250 fine",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
    Some(())
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn variables(server: &MailServer, database: &str) -> Vec<(String, String)> {
    [
        ("STOA_MAIL__URL", server.url.as_str()),
        ("STOA_MAIL__TIMEOUT", "500ms"),
        ("STOA_DATABASE__URL", database),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// What `stoa jobs dead` lists.
fn dead(data_dir: &Path, settings: &[(String, String)], more: &[&str]) -> Vec<Value> {
    let mut args = vec!["jobs", "dead", "--json"];
    args.extend(more);
    let listed = run_with(data_dir, &args, settings);
    assert!(listed.status.success(), "{listed:?}");
    let lines = said(&listed);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The database of notifications.
async fn notifications(data_dir: &Path, database: &str) -> Db {
    let url = match database {
        "" => format!("sqlite:{}", data_dir.join("notifications.db").display()),
        url => url.to_owned(),
    };
    Db::open(DbOptions::new(url, "notifications")).await.unwrap()
}

/// Waits until nothing is to be sent by mail any more, and has the newest critical one be given up, as after the last of many attempts.
async fn give_up(db: &Db, mails: i64) {
    until("all mails have been tried", async || {
        let sql = "SELECT COUNT(*) FROM sends WHERE channel = 'email' AND state <> 'waiting'";
        db.fetch_one::<i64>(sql, &[]).await.unwrap() == mails
    })
    .await;
    let newest = "SELECT id FROM jobs WHERE queue = 'notifications.send_critical' AND state = 'done' ORDER BY id DESC LIMIT 1";
    let newest: EventId = db.fetch_one(newest, &[]).await.unwrap();
    let delivery =
        "SELECT delivery_id FROM sends WHERE type = 'account.verify_email' ORDER BY delivery_id DESC LIMIT 1";
    let delivery: EventId = db.fetch_one(delivery, &[]).await.unwrap();
    // Of what is done the payload is not kept.
    let payload = serde_json::json!({ "delivery_id": delivery, "channel": "email" }).to_string();
    let sql = "UPDATE jobs SET state = 'dead', last_error = 'no such mailbox', payload = $2 \
               WHERE queue = 'notifications.send_critical' AND id = $1";
    assert_eq!(db.execute(sql, &[&newest, &payload]).await.unwrap(), 1);
}

async fn a_refused_recipient_troubles_nobody_and_can_be_replayed_or_dropped(database: &str) {
    let (_scratch, data_dir) = folder();
    let server = MailServer::start(REFUSES);
    let settings = variables(&server, database);
    let stoa = Stoa::serve_with_variables(&data_dir, &settings);
    stoa.register("ada@example.com").await;
    let db = notifications(&data_dir, database).await;
    let list = |more: &[&str]| dead(&data_dir, &settings, more);
    give_up(&db, 2).await;
    assert_eq!(
        list(&[]).len(),
        1,
        "a refused recipient is no dead letter by itself"
    );

    let health: Value = stoa.look("/health").await.json().await.unwrap();
    assert_eq!(health["status"], "up", "{health}");
    let doctor = run_with(&data_dir, &["doctor"], &settings);
    assert!(doctor.status.success(), "{}", said(&doctor));
    assert!(said(&doctor).contains("stoa jobs dead"), "{}", said(&doctor));

    let queue = "notifications.send_critical";
    let letter = list(&["--service", "notifications", "--queue", queue]).remove(0);
    assert_eq!(letter["service"], "notifications");
    assert!(
        letter["last_error"].as_str().unwrap().contains("no such mailbox"),
        "{letter}"
    );
    assert!(list(&["--service", "users"]).is_empty());
    assert!(list(&["--queue", "auth.purge"]).is_empty());

    // The mailbox is there now, and the mail comes to it.
    server.set(TAKES);
    let id = letter["id"].as_str().unwrap();
    let replayed = run_with(&data_dir, &["jobs", "replay", id], &settings);
    assert!(replayed.status.success(), "{replayed:?}");
    until("the mail arrives", async || {
        server.taken() == ["RCPT TO:<ada@example.com>"]
    })
    .await;
    let again = run_with(&data_dir, &["jobs", "replay", id], &settings);
    assert_eq!(again.status.code(), Some(2), "it is no dead letter any more");

    server.set(REFUSES);
    stoa.register("bob@example.com").await;
    give_up(&db, 4).await;
    db.close().await;
    let other = run_with(
        &data_dir,
        &["jobs", "drop", "--all", "--service", "users"],
        &settings,
    );
    assert!(
        other.status.success() && said(&other).contains("no dead letters"),
        "{other:?}"
    );
    let dropped = run_with(&data_dir, &["jobs", "drop", "--all", "--queue", queue], &settings);
    assert!(
        dropped.status.success() && said(&dropped).contains("1 dropped"),
        "{dropped:?}"
    );
    assert!(list(&[]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_troubles_nobody_and_can_be_replayed_or_dropped_on_sqlite() {
    a_refused_recipient_troubles_nobody_and_can_be_replayed_or_dropped("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_troubles_nobody_and_can_be_replayed_or_dropped_on_postgres() {
    let database = Database::new().await;
    a_refused_recipient_troubles_nobody_and_can_be_replayed_or_dropped(&database.url()).await;
    database.remove().await;
}

/// More than anybody would read at once, all given up at one moment, and a newer one.
#[tokio::test(flavor = "multi_thread")]
async fn any_dead_letter_is_found_by_its_id_and_all_of_them_by_all() {
    let (_scratch, data_dir) = folder();
    assert!(Stoa::serve(&data_dir).terminate().success());
    let url = format!("sqlite:{}", data_dir.join("auth.db").display());
    let db = Db::open(DbOptions::new(url, "auth")).await.unwrap();
    let columns = "queue, id, priority, state, payload, source, time, run_at, attempts, finished_at";
    let many = format!(
        "INSERT INTO jobs ({columns}) WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100100) \
         SELECT 'auth.tell_owners', randomblob(16), 0, 'dead', '{{}}', 'auth', $1, $1, 1, $1 FROM number"
    );
    let now = db.clock().now();
    let before = Timestamp::from_microsecond(now.as_microsecond() - 300_000_000).unwrap();
    db.execute(&many, &[&before]).await.unwrap();
    let tx = db.begin().await.unwrap();
    let (newest, other): (EventId, EventId) = (tx.new_id(), tx.new_id());
    tx.rollback().await;
    let one =
        format!("INSERT INTO jobs ({columns}) VALUES ($1, $2, 0, 'dead', '{{}}', 'auth', $3, $3, 1, $3)");
    // One event may be given up by several queues.
    for queue in ["auth.tell_owners", "auth.purge"] {
        db.execute(&one, &[&queue, &newest, &now]).await.unwrap();
    }
    db.close().await;

    let (id, other) = (newest.to_string(), other.to_string());
    let dropped = run_with(&data_dir, &["jobs", "drop", &id, &other], &[]);
    assert_eq!(dropped.status.code(), Some(2), "{dropped:?}");
    let text = said(&dropped);
    assert!(text.contains("auth: 2 dropped"), "{text}");
    assert!(text.contains(&format!("{other} is not a dead letter")), "{text}");
    assert!(!text.contains(&id), "{text}");
    let dropped = run_with(&data_dir, &["jobs", "drop", "--all"], &[]);
    assert!(dropped.status.success(), "{dropped:?}");
    assert!(
        said(&dropped).contains("auth: 100100 dropped"),
        "{}",
        said(&dropped)
    );
    assert!(dead(&data_dir, &[], &[]).is_empty());
}

#[test]
fn what_replay_and_drop_can_be_given_is_in_their_usage() {
    let (_scratch, data_dir) = folder();
    for command in ["replay", "drop"] {
        for args in [&["jobs", command, "--help"][..], &["jobs", command]] {
            let told = run_with(&data_dir, args, &[]);
            let text = String::from_utf8_lossy(&[&told.stdout[..], &told.stderr].concat()).into_owned();
            let usage = text.split("Usage:").nth(1).unwrap_or_default();
            let usage = usage.split("\n\n").next().unwrap_or_default();
            assert!(usage.contains("<ID>") && usage.contains("--all"), "{text}");
        }
    }
}

/// It holds all workers of its queue; people register meanwhile, have their profiles, and get their mails once it speaks.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_mail_server_holds_nobody_up() {
    const PEOPLE: usize = 40;
    let (_scratch, data_dir) = folder();
    let server = MailServer::start(SILENT);
    let stoa = Stoa::serve_with_variables(&data_dir, &variables(&server, ""));
    for number in 0..PEOPLE {
        let person = stoa.register(&format!("person{number:02}@example.com")).await;
        until("the profile", async || {
            stoa.get("/api/v1/users/me", token(&person)).await.status() == 200
        })
        .await;
    }
    assert_eq!(stoa.look("/health/ready").await.status(), 200);
    assert!(server.taken().is_empty());
    server.set(TAKES);
    // Each is asked to verify the address, and welcomed.
    until("all mails arrive", async || server.taken().len() >= 2 * PEOPLE).await;
    let mut taken = server.taken();
    assert_eq!(taken.len(), 2 * PEOPLE);
    taken.dedup();
    assert_eq!(taken.len(), PEOPLE);
}

#[test]
fn the_help_of_jobs_says_what_each_command_does() {
    let (_scratch, data_dir) = folder();
    for (command, words) in [
        ("dead", ["holds nothing up", "--queue notifications.send --json"]),
        ("replay", ["from their first attempt", "--all --queue"]),
        ("drop", ["is not done", "bus.unreadable"]),
    ] {
        let help = said(&run_with(&data_dir, &["jobs", command, "--help"], &[]));
        for word in words
            .iter()
            .chain(&["Examples:", "May run beside a serving stoa"])
        {
            assert!(help.contains(word), "{command}: {word} is not in\n{help}");
        }
    }
    let refused = run_with(&data_dir, &["jobs", "drop"], &[]);
    assert_eq!(
        refused.status.code(),
        Some(2),
        "nothing is dropped without a word"
    );
}

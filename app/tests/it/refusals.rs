//! Engines and neighbours that cannot be had: the start ends at once, with one line that names the setting.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
    time::{Duration, Instant},
};

use stoa_engines::{Nats, Rabbit, Redis, S3};

use crate::{
    provision::server,
    stoa::{command, folder},
};

/// In every address, and never to be shown.
const PASSWORD: &str = "hunter2";
/// A port that nobody listens on.
const NOBODY: &str = "127.0.0.1:1";

/// A start that is refused.
struct Refusal {
    /// What the line begins with.
    key: &'static str,
    /// What it also says.
    words: &'static str,
    settings: Vec<(&'static str, String)>,
    only: &'static str,
}

fn refusal(key: &'static str, words: &'static str, value: impl Into<String>) -> Refusal {
    Refusal {
        key,
        words,
        settings: vec![(key, value.into())],
        only: "",
    }
}

impl Refusal {
    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((key, value.into()));
        self
    }

    fn only(mut self, services: &'static str) -> Self {
        self.only = services;
        self
    }

    fn check(&self) {
        let (scratch, data_dir) = folder();
        let mut serve = command(&data_dir);
        for (key, value) in self.settings.iter().filter(|(_, value)| !value.is_empty()) {
            serve.env(format!("STOA_{}", key.replace('.', "__").to_uppercase()), value);
        }
        serve.args(["serve", "--listen", "127.0.0.1:0"]);
        if !self.only.is_empty() {
            serve.args(["--only", self.only]);
        }
        let errors = scratch.path().join("errors");
        let mut child = serve
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{} does not stop the start: {:?}", self.key, self.settings);
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let said = fs::read_to_string(&errors).unwrap();
        assert_eq!(status.code(), Some(1), "{}: {said}", self.key);
        assert!(!said.contains(PASSWORD), "a password is shown: {said}");
        // Libraries may have logged what they met.
        let lines: Vec<_> = said.lines().filter(|line| !line.starts_with('{')).collect();
        assert_eq!(lines.len(), 1, "{}: {said}", self.key);
        let names = lines[0].starts_with("stoa: ") && lines[0].contains(self.key);
        assert!(names && lines[0].contains(self.words), "{}: {said}", self.key);
    }
}

fn all(refusals: impl IntoIterator<Item = Refusal>) {
    refusals.into_iter().for_each(|one| one.check());
}

#[test]
fn databases() {
    let postgres = server();
    postgres.sql("CREATE ROLE stoa_auth LOGIN PASSWORD 'another'");
    let at = postgres.url();
    let place = at.rsplit('@').next().unwrap();
    let wrong = format!("postgres://stoa_auth:{PASSWORD}@{place}");
    let nobody = format!("postgres://stoa_auth:{PASSWORD}@{NOBODY}/stoa");
    let strange = format!("mysql://stoa_auth:{PASSWORD}@{NOBODY}/stoa");
    let mut refusals = Vec::new();
    for key in ["database.url", "auth.database.url"] {
        refusals.extend([
            refusal(key, "begins with sqlite: or postgres://", &strange),
            refusal(key, "cannot be reached", &nobody),
            refusal(key, "refused the login of stoa_auth", &wrong),
            refusal(
                key,
                "has no database nothing",
                at.replace("/postgres", "/nothing"),
            ),
        ]);
    }
    refusals.extend([
        refusal("database.replica_url", "database.url is not", &nobody),
        refusal("database.replica_url", "names no host", "postgres:///stoa").with("database.url", &at),
        refusal("database.replica_url", "cannot be read", &strange).with("database.url", &at),
    ]);
    all(refusals);
}

#[test]
fn buses() {
    let (nats, rabbit) = (Nats::start_for("stoa", "another"), Rabbit::start());
    let place = |url: String| url.rsplit('@').next().unwrap().replace("nats://", "");
    let login = format!("stoa:{PASSWORD}");
    all([
        refusal(
            "bus.url",
            "kafka:// is no bus",
            format!("kafka://{login}@{NOBODY}"),
        ),
        refusal("bus.url", "cannot be reached", format!("nats://{login}@{NOBODY}")),
        refusal(
            "bus.url",
            "cannot be reached",
            format!("amqp://{login}@{NOBODY}/%2f"),
        ),
        refusal(
            "bus.url",
            "password",
            format!("nats://{login}@{}", place(nats.url())),
        ),
        refusal(
            "bus.url",
            "password",
            format!("amqp://{login}@{}", place(rabbit.url())),
        ),
    ]);
}

#[test]
fn caches() {
    let redis = Redis::start();
    let place = redis.url().replace("redis://", "");
    all([
        refusal(
            "cache.url",
            "look like redis://",
            format!("memcached://stoa:{PASSWORD}@{NOBODY}"),
        ),
        refusal(
            "cache.url",
            "does not answer",
            format!("redis://stoa:{PASSWORD}@{NOBODY}"),
        ),
        refusal(
            "cache.url",
            "does not answer",
            format!("redis://stoa:{PASSWORD}@{place}"),
        ),
    ]);
}

#[test]
fn buckets() {
    let s3 = S3::start();
    let bucket = |words, url: &str| {
        refusal("objects.url", words, url)
            .with("objects.endpoint", s3.endpoint())
            .with("objects.region", "us-east-1")
            .with("objects.access_key_id", "stoa")
            .with("objects.secret_access_key", PASSWORD)
    };
    all([
        refusal(
            "objects.url",
            "look like file:///",
            format!("ftp://stoa:{PASSWORD}@{NOBODY}"),
        ),
        bucket("the bucket does not exist", "s3://nothing"),
    ]);
    // From now on it looks at keys, and knows none.
    let mut stream = TcpStream::connect(s3.endpoint().trim_start_matches("http://")).unwrap();
    let head =
        "POST /moto-api/reset-auth HTTP/1.1\r\nHost: s3\r\nConnection: close\r\nContent-Length: 1\r\n\r\n0";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    all([bucket("objects.access_key_id", "s3://stoa")]);
}

#[test]
fn neighbours() {
    let place = format!("[\"http://{NOBODY}\"]");
    let secret = format!("[\"http://stoa:{PASSWORD}@{NOBODY}\"]");
    let (gateway, rpc) = ("gateway.upstreams.users", "rpc.upstreams.auth");
    all([
        refusal(gateway, "does not say where", "").only("gateway,auth"),
        refusal(gateway, "is not an upstream", "[\"users:3000\"]").only("gateway,auth"),
        refusal(gateway, "no password", &secret).only("gateway,auth"),
        refusal(rpc, "does not say where", "")
            .with("gateway.upstreams.auth", &place)
            .only("gateway,users"),
        refusal(rpc, "does not say where", "").only("users"),
        refusal(rpc, "write http://", "[\"auth:3100\"]").only("users"),
        refusal(rpc, "no password", &secret).only("users"),
    ]);
}

//! What whoever runs the program meets: signals, the banner, metrics, and callers who mean no good.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::json;
use stoa_tls::testing::Authority;

use crate::{
    architecture::with_database,
    stoa::{Caller, Stoa, command, folder},
};

/// A process whose banner and log are read.
struct Watched {
    child: Child,
    caller: Caller,
    banner: String,
    log: mpsc::Receiver<String>,
}

impl Watched {
    /// Serves with flags and settings, in a shell after `before`, such as `ulimit -n 1024`.
    fn serve(data_dir: &Path, before: &str, flags: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut stoa = command(data_dir);
        stoa.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{before}; exec \"$0\" \"$@\""));
        shell.arg(stoa.get_program()).args(stoa.get_args());
        shell.current_dir(data_dir.parent().unwrap());
        for (name, value) in stoa.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.envs(
            settings
                .iter()
                .map(|(key, value)| (format!("STOA_{key}"), *value)),
        );
        let mut child = shell
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, log) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            errors
                .map_while(Result::ok)
                .for_each(|line| drop(said.send(line)));
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut banner = String::new();
        while !banner.contains("Ctrl-C") {
            let line = lines.next().expect("the banner has an end").unwrap();
            banner += &line;
            banner.push('\n');
        }
        std::thread::spawn(move || lines.for_each(drop));
        let url = banner.split_whitespace().find(|word| word.ends_with("/api/v1"));
        let url = url
            .expect("the banner names the address")
            .trim_end_matches("/api/v1");
        Self {
            caller: Caller::new(url),
            child,
            banner,
            log,
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for a line of the log.
    fn says(&self, words: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("nothing was said of {words:?}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    fn address(&self) -> &str {
        self.caller.url.split("//").nth(1).unwrap()
    }

    /// Sends bytes on a connection of its own and returns all that comes.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The most memory that it has held so far, in MiB.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_log_level_and_certificates_again_and_ends_nothing() {
    let (scratch, data_dir) = folder();
    let authority = Authority::new("test");
    let (certificate, key) = authority.issue(&["localhost"]).write(scratch.path(), "tls");
    let settings = scratch.path().join("stoa.toml");
    let write = |log: &str| std::fs::write(&settings, format!("[telemetry]\nlog = {log:?}\n")).unwrap();
    write("info");
    let tls = [
        ("SERVER__TLS__CERTIFICATE", certificate.to_str().unwrap()),
        ("SERVER__TLS__KEY", key.to_str().unwrap()),
    ];
    let mut stoa = Watched::serve(&data_dir, "true", &[], &tls);
    write("info,stoa=debug");
    stoa.signal("-HUP");
    stoa.says("info,stoa=debug");
    stoa.says("certificates were read again");
    write("=nonsense=");
    std::fs::write(&key, "no key").unwrap();
    stoa.signal("-HUP");
    stoa.says("settings cannot be used");
    stoa.says("certificates cannot be used");
    write("info");
    stoa.signal("-HUP");
    stoa.says("what is logged was read again");
    assert!(stoa.child.try_wait().unwrap().is_none(), "it serves on");
    assert!(TcpStream::connect(stoa.address()).is_ok());
    stoa.signal("-TERM");
    assert!(stoa.child.wait().unwrap().success());
}

#[test]
fn the_banner_of_a_gateway_by_itself_names_no_command_that_makes_a_database() {
    let (_scratch, data_dir) = folder();
    let elsewhere = "[\"http://127.0.0.1:9\"]";
    let services = with_database().into_iter().map(|service| service.to_uppercase());
    let sections =
        services.flat_map(|service| ["GATEWAY", "RPC"].map(|of| format!("{of}__UPSTREAMS__{service}")));
    let sections: Vec<_> = sections.collect();
    let upstreams: Vec<_> = sections.iter().map(|key| (key.as_str(), elsewhere)).collect();
    let stoa = Watched::serve(&data_dir, "true", &["--only", "gateway"], &upstreams);
    assert!(!stoa.banner.contains("admin create"), "{}", stoa.banner);
    let (_scratch, data_dir) = folder();
    let stoa = Watched::serve(&data_dir, "true", &[], &[]);
    assert!(stoa.banner.contains("admin create"), "{}", stoa.banner);
}

#[test]
fn the_command_in_the_banner_names_the_files_that_settings_come_from() {
    let (_scratch, data_dir) = folder();
    let file = data_dir.with_file_name("own.toml");
    std::fs::write(&file, "").unwrap();
    let flags = ["--config", file.to_str().unwrap()];
    let stoa = Watched::serve(&data_dir, "true", &flags, &[]);
    let file = std::fs::canonicalize(&file).unwrap();
    let command = format!("stoa --config {} --data-dir", file.display());
    assert!(stoa.banner.contains(&command), "{}", stoa.banner);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_says_what_it_tells_and_is_named_as_prometheus_wants() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    stoa.register("ada@example.com").await;
    stoa.login("ada@example.com").await;
    let text = stoa.look("/metrics").await.text().await.unwrap();
    let families: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    assert!(families.len() > 15, "{text}");
    for (name, kind) in families {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    }
    // What Prometheus' own tool says of it, where it is installed.
    let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let said = [said.stdout, said.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&said), "");
}

#[test]
fn what_a_proxy_that_nobody_declared_passes_on_shows_no_metrics_and_no_mails() {
    let (_scratch, data_dir) = folder();
    let stoa = Watched::serve(&data_dir, "true", &[], &[("GATEWAY__METRICS_FROM", "[]")]);
    let ask = |path: &str, version: &str, head: &str| {
        let text = stoa.raw(format!("GET {path} HTTP/{version}\r\n{head}\r\n\r\n").as_bytes());
        text.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for (path, refused) in [("/metrics", "401"), ("/dev/mail", "404"), ("/dev/sms", "404")] {
        for (version, head) in [
            ("1.0", "host: 127.0.0.1:3000\r\nconnection: close"),
            ("1.1", "host: 127.0.0.1:3000\r\nconnection: close"),
            ("1.1", "host: evil.example\r\nconnection: close"),
            ("1.0", "host: localhost\r\nx-real-ip: 192.0.2.1"),
        ] {
            assert_eq!(ask(path, version, head), refused, "{path} {version} {head}");
        }
    }
    // As HAProxy and newer versions of nginx pass it on unless told otherwise, to somebody who names this machine.
    for (path, refused) in [
        ("/metrics", "401"),
        ("/dev/mail", "403"),
        ("/dev/mail?format=json", "403"),
        ("/dev/sms", "403"),
    ] {
        assert_eq!(ask(path, "1.1", "host: localhost:3000"), refused, "{path}");
    }
    let (_scratch, data_dir) = folder();
    let public = [
        ("SERVER__PUBLIC_URL", "https://example.com"),
        ("GATEWAY__METRICS_FROM", "[]"),
    ];
    let stoa = Watched::serve(&data_dir, "true", &[], &public);
    assert!(!stoa.banner.contains("/dev/"), "{}", stoa.banner);
    let asked = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let [metrics, mail] = ["/metrics", "/dev/mail"].map(|path| stoa.caller.look(path));
        (metrics.await.status().as_u16(), mail.await.status().as_u16())
    });
    assert_eq!(asked, (401, 404));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_declared_is_told_of_once() {
    let (_scratch, data_dir) = folder();
    let stoa = Watched::serve(&data_dir, "true", &[], &[]);
    let look = async || {
        let asked = stoa.caller.client.get(format!("{}/health", stoa.caller.url));
        asked.header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    };
    look().await;
    stoa.says("gateway.trusted_proxies");
    look().await;
    stoa.signal("-TERM");
    let rest: Vec<_> = stoa.log.iter().collect();
    assert!(
        !rest.iter().any(|line| line.contains("trusted_proxies")),
        "{rest:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn eleven_hundred_silent_sockets_block_nobody() {
    let (_scratch, data_dir) = folder();
    let stoa = Watched::serve(&data_dir, "ulimit -n 1024", &[], &[]);
    let mut silent = Vec::new();
    for number in 0..1100 {
        let socket = TcpStream::connect(stoa.address()).unwrap();
        if number % 3 == 0 {
            // Some begin a head, and some a handshake.
            let _ = (&socket).write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n");
        }
        silent.push(socket);
    }
    for _ in 0..5 {
        let began = Instant::now();
        let client = Caller::new(stoa.caller.url.clone());
        let answer = client
            .register(&format!("a{}@example.com", rand::random::<u32>()))
            .await;
        assert!(answer["access_token"].is_string());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_slow_bodies_take_little_memory_and_keep_nobody_out() {
    let (_scratch, data_dir) = folder();
    let stoa = Watched::serve(&data_dir, "true", &[], &[]);
    let head = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         idempotency-key: {}\r\ncontent-length: ",
        rand::random::<u64>()
    );
    let mut slow = Vec::new();
    for number in 0..400 {
        let mut socket = TcpStream::connect(stoa.address()).unwrap();
        // Half of them as much as was ever taken, half as much as is taken now.
        let size = if number % 2 == 0 { 2_000_000 } else { 65_000 };
        socket
            .write_all(format!("{head}{size}\r\n\r\n").as_bytes())
            .unwrap();
        socket
            .set_write_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let _ = socket.write_all(&vec![b' '; size - 1]);
        slow.push(socket);
    }
    let answer = stoa
        .caller
        .post(
            "/api/v1/auth/register",
            json!({"email": "ada@example.com", "password": "correct horse battery staple",
                   "first_name": "Ada", "last_name": "Lovelace"}),
        )
        .await;
    assert_eq!(answer.status(), 201);
    assert!(stoa.peak() < 256, "{} MiB", stoa.peak());
    drop(slow);
}

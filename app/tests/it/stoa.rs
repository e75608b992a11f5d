//! A real `stoa` process on a folder of its own, and a client for it.

use std::{
    io::{BufRead, BufReader},
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// A command line of this build's `stoa`, without the settings of whoever runs the tests.
pub(crate) fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoa"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STOA_")) {
        command.env_remove(name);
    }
    command
        .current_dir(data_dir.parent().unwrap())
        .arg("--data-dir")
        .arg(data_dir);
    command.envs(EASY);
    command
}

/// Settings for tests, which look at what happens, not at how long it takes: passwords are hashed at a fraction of the cost, and
/// nobody is told to slow down. Webhooks go to servers of the tests.
pub(crate) const EASY: [(&str, &str); 7] = [
    ("STOA_AUTH__PASSWORD__MEMORY_KIB", "64"),
    ("STOA_AUTH__PASSWORD__ITERATIONS", "1"),
    ("STOA_GATEWAY__RATE_LIMIT__PER_ADDRESS", "off"),
    ("STOA_GATEWAY__RATE_LIMIT__PER_USER", "off"),
    ("STOA_AUTH__RATE_LIMIT__REGISTER_PER_ADDRESS", "off"),
    ("STOA_GATEWAY__METRICS_FROM", r#"["127.0.0.0/8"]"#),
    ("STOA_OUTBOUND__ALLOW", r#"["127.0.0.1"]"#),
];

/// The names of the services, kept until the tests end.
pub(crate) fn services() -> Vec<&'static str> {
    let listed = Command::new(env!("CARGO_BIN_EXE_stoa"))
        .arg("services")
        .output()
        .expect("stoa starts");
    let text = String::from_utf8(listed.stdout).unwrap().leak();
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

/// Runs a subcommand to its end.
pub(crate) fn run(data_dir: &Path, args: &[&str]) -> Output {
    run_with(data_dir, args, &[])
}

/// As `run`, with variables.
pub(crate) fn run_with(data_dir: &Path, args: &[&str], variables: &[(String, String)]) -> Output {
    command(data_dir)
        .args(args)
        .envs(variables.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .expect("stoa starts")
}

/// Calls to an installation, wherever it is.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) url: String,
    pub(crate) client: Client,
}

/// A serving process; killed when dropped.
pub(crate) struct Stoa {
    child: Child,
    caller: Caller,
}

/// Settings as variables of the environment.
fn named(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let named = settings.iter();
    named
        .map(|(key, value)| (format!("STOA_{key}"), (*value).to_owned()))
        .collect()
}

impl Deref for Stoa {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Stoa {
    /// Serves on a free port and returns once it is ready.
    pub(crate) fn serve(data_dir: &Path) -> Self {
        Self::serve_with(data_dir, &[])
    }

    /// As `serve`, with settings: `("AUTH__REGISTRATION", "closed")`.
    pub(crate) fn serve_with(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::serve_as(data_dir, &[], &named(settings))
    }

    /// As `serve`, with variables of the environment.
    pub(crate) fn serve_with_variables(data_dir: &Path, variables: &[(String, String)]) -> Self {
        Self::serve_as(data_dir, &[], variables)
    }

    /// As `serve_with`, with flags of `serve`.
    pub(crate) fn serve_only(data_dir: &Path, flags: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::serve_as(data_dir, flags, &named(settings))
    }

    fn serve_as(data_dir: &Path, flags: &[&str], variables: &[(String, String)]) -> Self {
        let mut child = command(data_dir)
            .envs(variables.iter().cloned())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("stoa starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_whitespace()
                    .find(|word| word.contains("://127.0.0.1:"))
                    .map(str::to_owned)
            })
            .expect("the banner names the address");
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            caller: Caller::new(url.trim_end_matches("/api/v1").to_owned()),
        }
    }

    /// SIGKILL, as the power going out.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "not on an async thread that others need"
            )]
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("stoa did not stop within 30 s of SIGTERM");
    }
}

impl Caller {
    /// Calls to what answers at `url`.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// GET by somebody who is not signed in.
    pub(crate) async fn look(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.request(Method::POST, path).json(&body).send().await.unwrap()
    }

    /// Registers and returns the whole answer.
    pub(crate) async fn register(&self, email: &str) -> Value {
        let answer = self
            .post(
                "/api/v1/auth/register",
                json!({"email": email, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace"}),
            )
            .await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(status, 201, "{body}");
        body
    }

    /// Logs in and returns the whole answer.
    pub(crate) async fn login(&self, email: &str) -> Value {
        let answer = self
            .post(
                "/api/v1/auth/login",
                json!({"email": email, "password": PASSWORD}),
            )
            .await;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(status, 200, "{email}: {body}");
        body
    }
}

impl Drop for Stoa {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The password of everybody in these tests.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// The access token of an answer of register, login or refresh.
pub(crate) fn token(answer: &Value) -> &str {
    answer["access_token"].as_str().expect("an access token")
}

/// A folder for one test, and the data folder in it.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let data_dir = scratch.path().join("data");
    (scratch, data_dir)
}

//! Processes of stoa, and the bare handler in one of its own.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// A serving stoa with limits too high to refuse; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    /// Where it takes calls of other services, if it does.
    rpc: String,
    folder: tempfile::TempDir,
}

/// Settings by their names in the environment, without the `STOA_`.
type Settings = Vec<(&'static str, String)>;

impl Server {
    /// All services in one process, on SQLite.
    pub(crate) async fn start(stoa: &Path) -> Result<Self, crate::Error> {
        Self::run(stoa, None, vec![]).await
    }

    /// All services in one process, on SQLite, with these settings.
    pub(crate) async fn with(stoa: &Path, settings: &[(&'static str, &str)]) -> Result<Self, crate::Error> {
        let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self::run(stoa, None, settings.collect()).await
    }

    /// All services in one process, on PostgreSQL.
    pub(crate) async fn on_postgres(stoa: &Path, database: String) -> Result<Self, crate::Error> {
        Self::run(stoa, None, vec![("DATABASE__URL", database)]).await
    }

    /// auth by itself, on SQLite, for the gateway and for users.
    pub(crate) async fn auth(stoa: &Path) -> Result<Self, crate::Error> {
        let calls = free_address()?.to_string();
        let settings = vec![
            ("SERVER__RPC_LISTEN", calls.clone()),
            ("AUTH__ISSUER", "http://stoa.bench".to_owned()),
            behind_gateway(),
        ];
        let mut server = Self::run(stoa, Some("auth"), settings).await?;
        server.rpc = format!("http://{calls}");
        Ok(server)
    }

    /// users by itself, on PostgreSQL.
    pub(crate) async fn users(stoa: &Path, auth: &Self, database: String) -> Result<Self, crate::Error> {
        let settings = vec![
            ("RPC__UPSTREAMS__AUTH", list(&[&auth.rpc])),
            ("USERS__DATABASE__URL", database),
            behind_gateway(),
        ];
        Self::run(stoa, Some("users"), settings).await
    }

    /// The gateway by itself, before `auth` and whatever stands in for users.
    pub(crate) async fn gateway(stoa: &Path, auth: &Self, users: &[&str]) -> Result<Self, crate::Error> {
        let settings = vec![
            ("RPC__UPSTREAMS__AUTH", list(&[&auth.rpc])),
            ("GATEWAY__UPSTREAMS__AUTH", list(&[&auth.url])),
            ("GATEWAY__UPSTREAMS__USERS", list(users)),
            // Nothing is asked of these.
            ("GATEWAY__UPSTREAMS__NOTIFICATIONS", list(&[&auth.url])),
            ("GATEWAY__UPSTREAMS__STORAGE", list(&[&auth.url])),
            ("GATEWAY__UPSTREAMS__WEBHOOKS", list(&[&auth.url])),
            ("GATEWAY__UPSTREAMS__REALTIME", list(&[&auth.url])),
        ];
        Self::run(stoa, Some("gateway"), settings).await
    }

    async fn run(stoa: &Path, only: Option<&str>, settings: Settings) -> Result<Self, crate::Error> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(stoa);
        for limit in [
            "GATEWAY__RATE_LIMIT__PER_ADDRESS",
            "GATEWAY__RATE_LIMIT__PER_USER",
            "AUTH__RATE_LIMIT__REGISTER_PER_ADDRESS",
            "AUTH__RATE_LIMIT__LOGIN_PER_ADDRESS",
            "AUTH__RATE_LIMIT__LOGIN_PER_ACCOUNT",
        ] {
            command.env(format!("STOA_{limit}"), "1000000/s");
        }
        // One account signs in over and over, beside a session of its own that is measured.
        command.env("STOA_AUTH__SESSIONS_MAX", "1000000");
        for (name, value) in settings {
            command.env(format!("STOA_{name}"), value);
        }
        let address = free_address()?;
        // Written and thrown away: a disk that writes the access log back would disturb what is measured next.
        command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["serve", "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(only) = only {
            command.args(["--only", only]);
        }
        let server = Self {
            child: command.spawn()?,
            url: format!("http://{address}"),
            rpc: String::new(),
            folder,
        };
        until_ready(&server.url, only.unwrap_or("stoa")).await?;
        Ok(server)
    }

    /// Where it keeps everything.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Registers a person and returns the token; also sees to it that the profile is there.
    pub(crate) async fn register(&self) -> Result<String, crate::Error> {
        let client = reqwest::Client::new();
        let registered: Value = client
            .post(format!("{}/api/v1/auth/register", self.url))
            .json(&json!({
                "email": "bench@example.com", "password": "correct horse battery staple",
                "first_name": "Ada", "last_name": "Lovelace"
            }))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let token = registered["access_token"].as_str().ok_or("no token")?.to_owned();
        // The event has its effect meanwhile.
        tokio::time::sleep(Duration::from_secs(1)).await;
        get(&self.me(), &token).await?;
        Ok(token)
    }

    /// The address of one's own profile.
    pub(crate) fn me(&self) -> String {
        format!("{}{}", self.url, crate::bare::PATH)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

/// What `url` answers to whoever has the token.
pub(crate) async fn get(url: &str, token: &str) -> Result<String, crate::Error> {
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await?;
    Ok(answer.error_for_status()?.text().await?)
}

/// The bare handler; killed when dropped.
pub(crate) struct Bare {
    _child: Child,
    /// Host and port.
    pub(crate) address: String,
}

impl Bare {
    pub(crate) async fn start(body: &str) -> Result<Self, crate::Error> {
        let address = free_address()?.to_string();
        let child = Command::new(std::env::current_exe()?)
            .args(["bare", &address, body])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let bare = Self {
            _child: child,
            address,
        };
        until_ready(&bare.url(), "the bare handler").await?;
        Ok(bare)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn me(&self) -> String {
        format!("{}{}", self.url(), crate::bare::PATH)
    }
}

async fn until_ready(url: &str, what: &str) -> Result<(), crate::Error> {
    let (ready, client) = (format!("{url}/health/ready"), reqwest::Client::new());
    for _ in 0..20_000 {
        let answer = client.get(&ready).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Err(format!("{what} does not become ready at {url}").into())
}

pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// As a list is written in the environment.
fn list(items: &[&str]) -> String {
    json!(items).to_string()
}

fn behind_gateway() -> (&'static str, String) {
    ("GATEWAY__TRUSTED_PROXIES", list(&["127.0.0.0/8"]))
}

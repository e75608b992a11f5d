//! The gateway beside nginx, both in front of the same small answer: `cargo run --release -p stoa-bench --example proxy`.
//!
//! Needs nginx and wrk. Everything listens on this machine. With `serve` as argument the gateway and its upstream only
//! listen, for a profiler: 4001 is the gateway's port, 4000 the upstream's.

#![allow(clippy::print_stdout, reason = "its only purpose is to print")]

use std::{net::SocketAddr, process::Stdio, time::Duration};

use axum::{Router, routing::get};
use stoa_cache::Cache;
use stoa_gateway::{Draining, Edge, EdgeParts, GatewayConfig, RemoteRoutes, Upstreams, serve};
use stoa_http::Verifier;
use stoa_kernel::Clock;
use tokio::{net::TcpListener, process::Command};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::{HttpMethod, OpenApi, PathItem, path::Operation};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const UPSTREAM: &str = "127.0.0.1:4000";
const GATEWAY: &str = "127.0.0.1:4001";
const NGINX: &str = "127.0.0.1:4002";
const ANSWER: &str = r#"{"id":"01932c07-a0a4-7bb1-8f3c-111122223333","name":"a small answer"}"#;
const RUNS: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Error> {
    match std::env::args().nth(1).as_deref() {
        Some("upstream") => upstream().await,
        Some("gateway") => gateway().await,
        Some("serve") => tokio::try_join!(upstream(), gateway()).map(|_| ()),
        _ => compare().await,
    }
}

/// Answers the same to everything.
async fn upstream() -> Result<(), Error> {
    let answer = get(async || ([("content-type", "application/json")], ANSWER));
    let router = Router::new()
        .route("/plain", answer.clone())
        .route("/health/ready", answer);
    Ok(axum::serve(TcpListener::bind(UPSTREAM).await?, router).await?)
}

/// The whole edge, limits off and without its access log, as nginx runs without one.
async fn gateway() -> Result<(), Error> {
    let defaults: toml::Table = include_str!("../../stoa.default.toml").parse()?;
    let mut config: GatewayConfig = defaults["gateway"].clone().try_into()?;
    config
        .upstreams
        .insert("shop".to_owned(), vec![format!("http://{UPSTREAM}").parse()?]);
    config.rate_limit.per_address = "off".parse()?;
    let clock = Clock::system();
    let mut openapi = OpenApi::default();
    let plain = PathItem::new(HttpMethod::Get, Operation::new());
    openapi.paths.paths.insert("/plain".to_owned(), plain);
    let edge = Edge::new(EdgeParts {
        upstreams: Some(Upstreams::new(&config, None)?),
        remote: vec![RemoteRoutes {
            service: "shop",
            paths: vec!["/plain".to_owned()],
        }],
        config,
        router: Router::new(),
        openapi,
        unlisted: Vec::new(),
        verifier: Verifier::new("stoa", clock.clone()),
        keys: None,
        cache: Cache::local(1024 * 1024),
        clock,
        access_log: None,
        traces: None,
        public_url: String::new(),
        behind_gateway: false,
        draining: Draining::default(),
    });
    let listener = TcpListener::bind(GATEWAY.parse::<SocketAddr>()?).await?;
    serve(listener, edge, CancellationToken::new(), Duration::from_secs(1)).await;
    Ok(())
}

/// Runs each in a process of its own, one load after the other, and prints the medians.
async fn compare() -> Result<(), Error> {
    let own = std::env::current_exe()?;
    let part = |name: &str| Command::new(&own).arg(name).kill_on_drop(true).spawn();
    let folder = tempfile::tempdir()?;
    let settings = folder.path().join("nginx.conf");
    std::fs::write(&settings, nginx_settings(&folder.path().display().to_string()))?;
    let _parts = (part("upstream")?, part("gateway")?);
    let _nginx = Command::new("nginx")
        .arg("-c")
        .arg(&settings)
        .kill_on_drop(true)
        .stderr(Stdio::null())
        .spawn()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (mut direct, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        direct.push(rate(UPSTREAM).await?);
        ours.push(rate(GATEWAY).await?);
        theirs.push(rate(NGINX).await?);
    }
    let [direct, ours, theirs] = [direct, ours, theirs].map(median);
    println!("upstream alone  {direct:>9.0} requests/s\nthrough nginx   {theirs:>9.0} requests/s");
    println!(
        "through stoa    {ours:>9.0} requests/s, {:.0} % of nginx",
        100.0 * ours / theirs
    );
    Ok(())
}

fn nginx_settings(folder: &str) -> String {
    format!(
        "daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream shop {{ server {UPSTREAM}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen {NGINX}; keepalive_requests 1000000;
    location / {{
      proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"
    )
}

/// Requests a second through `address`.
async fn rate(address: &str) -> Result<f64, Error> {
    let run = Command::new("wrk")
        .args(["--threads", "2", "--connections", "64", "--duration", "5s"])
        .arg(format!("http://{address}/plain"))
        .output()
        .await?;
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let rate = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    rate.filter(|_| !text.contains("Non-2xx"))
        .ok_or_else(|| format!("wrk said: {text}").into())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

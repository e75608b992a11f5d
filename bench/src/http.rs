//! Requests a second, beside a bare handler that answers the same.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    process::Server,
    report::Report,
    wrk::{self, Load, Run},
};

/// Runs of each kind; the median counts.
const RUNS: usize = 3;

pub(crate) async fn measure(stoa: &Path, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let server = Server::start(stoa).await?;
    let client = reqwest::Client::new();
    let registered: Value = client
        .post(format!("{}/api/v1/auth/register", server.url))
        .json(&json!({"email": "bench@example.com", "password": "correct horse battery staple", "first_name": "Ada", "last_name": "Lovelace"}))
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let token = registered["access_token"].as_str().ok_or("no token")?;
    let me_url = format!("{}/api/v1/users/me", server.url);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let body = client
        .get(&me_url)
        .bearer_auth(token)
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let (_bare, bare_url) = bare(body)?;
    tokio::time::sleep(Duration::from_millis(300)).await;

    let bare = Load {
        url: &bare_url,
        connections: 64,
        seconds,
        script: None,
        token: None,
    };
    let me = Load {
        url: &me_url,
        token: Some(token),
        ..bare.clone()
    };
    let put_url = format!("{me_url}/preferences/theme");
    let put = Load {
        url: &put_url,
        script: Some("put_theme.lua"),
        ..me.clone()
    };
    let (mut bares, mut mes, mut puts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bares.push(wrk::run(&bare).await?);
        mes.push(wrk::run(&me).await?);
        puts.push(wrk::run(&put).await?);
    }
    let (bare_rate, me_rate, put_rate) = (median(&bares), median(&mes), median(&puts));
    report.plain(
        "bare axum handler, same JSON",
        format!("{bare_rate:.0} requests/s"),
        "the bound",
    );
    share(report, "GET users/me, everything on", me_rate, bare_rate, 50.0);
    share(
        report,
        "PUT preferences/theme, durable, 64 connections",
        put_rate,
        bare_rate,
        12.0,
    );
    logins(&server, &me, seconds, report).await
}

fn share(report: &mut Report, what: &str, rate: f64, bare: f64, least: f64) {
    let share = rate / bare * 100.0;
    report.bounded(
        what,
        format!("{rate:.0} requests/s"),
        format!("{share:.0} % of the bare handler"),
        &format!("at least {least:.0} %"),
        share >= least,
    );
}

/// `users/me` alone, then beside 32 clients that log in without pause.
async fn logins(
    server: &Server,
    me: &Load<'_>,
    seconds: u64,
    report: &mut Report,
) -> Result<(), crate::Error> {
    let me = Load {
        connections: 32,
        ..me.clone()
    };
    let login_url = format!("{}/api/v1/auth/login", server.url);
    let login = Load {
        url: &login_url,
        connections: 32,
        seconds: seconds + 2,
        script: Some("login.lua"),
        token: None,
    };
    let (mut alone, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        alone.push(wrk::run(&me).await?.p99);
        let (storm, calm) = tokio::join!(wrk::run(&login), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            wrk::run(&me).await
        });
        rates.push(storm?);
        beside.push(calm?.p99);
    }
    alone.sort_unstable();
    beside.sort_unstable();
    let (alone, beside) = (alone[RUNS / 2], beside[RUNS / 2]);
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    report.bounded(
        "p99 of users/me while 32 clients log in",
        format!("{:.2} ms", beside.as_secs_f64() * 1e3),
        format!(
            "{ratio:.1} times its {:.2} ms alone; {:.0} logins/s",
            alone.as_secs_f64() * 1e3,
            median(&rates)
        ),
        "at most 3 times",
        ratio <= 3.0,
    );
    Ok(())
}

fn median(runs: &[Run]) -> f64 {
    let mut rates: Vec<_> = runs.iter().map(|run| run.rate).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The bare handler, in a process of its own as stoa is.
fn bare(body: String) -> Result<(Child, String), crate::Error> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let address = format!("127.0.0.1:{port}");
    let child = Command::new(std::env::current_exe()?)
        .args(["bare", &address, &body])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, format!("http://{address}/me")))
}

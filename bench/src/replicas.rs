//! The gateway before one and before two processes of a service.

use std::{fs, path::Path};

use stoa_engines::Postgres;
use tokio::task::block_in_place;

use crate::{report::Report, rounds, server::Server, wrk::Load};

pub(crate) async fn measure(stoa: &Path, seconds: u64, report: &mut Report) -> Result<(), crate::Error> {
    let postgres = block_in_place(Postgres::start);
    let auth = Server::auth(stoa).await?;
    // One after the other: the first makes the tables.
    let first = Server::users(stoa, &auth, postgres.url()).await?;
    let second = Server::users(stoa, &auth, postgres.url()).await?;
    let before_one = Server::gateway(stoa, &auth, &[&first.url]).await?;
    let before_two = Server::gateway(stoa, &auth, &[&first.url, &second.url]).await?;
    let token = before_one.register().await?;
    let urls = [before_one.me(), before_two.me()];
    let [one, two] = urls.each_ref().map(|url| Load {
        url,
        connections: 64,
        seconds,
        script: None,
        token: Some(&token),
    });
    let before = Jiffies::now()?;
    let [one, two] = rounds::in_turn([&one, &two]).await?;
    let busy = before.busy_since()?;
    let cores = std::thread::available_parallelism()?;
    report.plain(
        "GET users/me through the gateway, one process of users on PostgreSQL",
        format!("{:.0} requests/s", rounds::rate(&one)),
        "gateway, auth, users, PostgreSQL and the load on the same machine",
    );
    report.plain(
        "the same with two processes of users",
        format!("{:.0} requests/s", rounds::rate(&two)),
        &format!(
            "{:.2} times one; the {cores} cores that all of it shares were {busy:.0} % busy throughout",
            rounds::ratio(&two, &one)
        ),
    );
    Ok(())
}

/// Time that all processors together have spent, and of that idle.
struct Jiffies {
    all: f64,
    idle: f64,
}

impl Jiffies {
    fn now() -> Result<Self, crate::Error> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu "));
        let spent: Vec<f64> = line
            .ok_or("/proc/stat has no line for all processors")?
            .split_whitespace()
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        Ok(Self {
            all: spent.iter().sum(),
            // Idle, and waiting for a disk.
            idle: spent.iter().skip(3).take(2).sum(),
        })
    }

    /// Percentage of the time since then in which the processors worked.
    fn busy_since(&self) -> Result<f64, crate::Error> {
        let now = Self::now()?;
        Ok(100.0 * (1.0 - (now.idle - self.idle) / (now.all - self.all)))
    }
}

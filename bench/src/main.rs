//! `make bench`: everything measured in one run on the machine at hand, each figure beside its bound.

mod bare;
mod db;
mod events;
mod files;
mod http;
mod logins;
mod mails;
mod nestjs;
mod peer;
mod process;
mod proxy;
mod replicas;
mod report;
mod rounds;
mod server;
mod socket;
mod sockets;
mod webhooks;
mod wrk;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Any error, with words.
type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure everything and write the table
    All {
        /// The release binary of stoa
        #[arg(long)]
        stoa: PathBuf,
        /// The peer that does the database work by sqlx
        #[arg(long)]
        sqlx: PathBuf,
        /// Where the table is written
        #[arg(long)]
        write: PathBuf,
        /// Parts to measure: process, http, logins, mails, webhooks, sockets, files, proxy, nestjs, replicas, db, events, brokers [default: all]; then nothing is
        /// written
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Seconds of each measurement
        #[arg(long, default_value_t = 4)]
        seconds: u64,
    },
    /// Serve one small JSON answer from a bare axum handler
    Bare { address: String, body: String },
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    match Cli::parse().command {
        Command::Bare { address, body } => bare::serve(&address, body).await,
        Command::All {
            stoa,
            sqlx,
            write,
            only,
            seconds,
        } => {
            let wanted = |part: &str| only.is_empty() || only.iter().any(|one| one == part);
            let mut report = report::Report::default();
            if wanted("process") {
                process::measure(&stoa, &mut report).await?;
            }
            if wanted("http") {
                http::measure(&stoa, seconds, &mut report).await?;
            }
            if wanted("logins") {
                logins::measure(&stoa, seconds, &mut report).await?;
            }
            if wanted("mails") {
                mails::measure(&stoa, &mut report).await?;
            }
            if wanted("webhooks") {
                webhooks::measure(&stoa, &mut report).await?;
            }
            if wanted("sockets") {
                sockets::measure(&stoa, seconds, &mut report).await?;
            }
            if wanted("files") {
                files::measure(&stoa, &mut report).await?;
            }
            if wanted("proxy") {
                proxy::measure(&stoa, seconds, &mut report).await?;
            }
            if wanted("nestjs") {
                nestjs::measure(&stoa, seconds, &mut report).await?;
            }
            if wanted("replicas") {
                replicas::measure(&stoa, seconds, &mut report).await?;
            }
            if wanted("db") {
                db::measure(&sqlx, seconds, &mut report).await?;
            }
            if wanted("events") {
                events::local(seconds, &mut report).await?;
            }
            if wanted("brokers") {
                events::brokers(seconds, &mut report).await?;
            }
            report.finish(only.is_empty().then_some(&*write))
        }
    }
}

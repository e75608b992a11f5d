//! `make split`.

use std::{io, path::PathBuf, process::ExitCode};

use clap::Parser;
use stoa_split::{BusKind, ObjectsKind, Plan, Split};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

/// Start the split shape on this machine, print its map, and stop it on Ctrl-C
///
/// PostgreSQL, a broker, Redis and an S3 server are started on free ports of 127.0.0.1, then two processes each of auth, users and
/// gateway, and HAProxy before the gateways: its address is where people come. Each service has a role and a schema of its own, as
/// `stoa provision` makes them.
///
/// Everything is new: data, settings and logs are in a temporary folder that the map names, and gone in the end. The map also names
/// each process, so that you can kill one and watch what the others do. The first start installs the S3 server from PyPI into
/// target/moto.
#[derive(Debug, Parser)]
#[command(name = "stoa-split", max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    /// The program to run as each service
    #[arg(long, value_name = "FILE", default_value = "target/release/stoa")]
    stoa: PathBuf,
    /// The broker that carries events: nats or rabbitmq
    #[arg(long, default_value_t, value_name = "BROKER")]
    bus: BusKind,
    /// Processes of each service
    #[arg(long, default_value_t = 2, value_name = "NUMBER")]
    replicas: usize,
    /// Keep objects in a shared folder instead of an S3 server
    #[arg(long)]
    no_s3: bool,
}

const EXAMPLES: &str = "\
Examples:
  make split                                      two of each service, on NATS
  make split ARGS=\"--bus rabbitmq --replicas 3\"   three of each, on RabbitMQ
  make split ARGS=--no-s3                         objects in a folder: nothing is installed from PyPI";

fn main() -> ExitCode {
    // What fails does so with words for whoever started it, not with a place in the source.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(words) = panic.payload_as_str() {
            say(&format!("stoa-split: {words}"));
        }
    }));
    let arguments = Arguments::parse();
    let stop = match StopSignal::new() {
        Ok(stop) => stop,
        Err(error) => {
            say(&format!("stoa-split: Ctrl-C cannot be caught: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let split = Split::start(Plan {
        stoa: arguments.stoa,
        bus: arguments.bus,
        objects: if arguments.no_s3 {
            ObjectsKind::Folder
        } else {
            ObjectsKind::S3
        },
        replicas: arguments.replicas.max(1),
        environment: Vec::new(),
    });
    say(&split.map());
    stop.wait();
    say("stopping");
    split.stop();
    ExitCode::SUCCESS
}

/// Ctrl-C, SIGTERM, or the end of the terminal, also one that came before it was waited for.
struct StopSignal {
    runtime: Runtime,
    signals: [Signal; 3],
}

impl StopSignal {
    fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ];
        drop(entered);
        Ok(Self { runtime, signals })
    }

    fn wait(self) {
        let [mut interrupt, mut terminate, mut hangup] = self.signals;
        self.runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
    }
}

fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(io::stderr(), "{text}");
}

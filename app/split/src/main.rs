//! `make split`.

use std::{path::PathBuf, process::ExitCode, sync::mpsc};

use clap::Parser;
use stoa_split::{BusKind, ObjectsKind, Plan, Split};

/// Start the split shape on this machine and print its map; Ctrl-C stops it
#[derive(Debug, Parser)]
struct Arguments {
    /// The program to run
    #[arg(long, default_value = "target/release/stoa")]
    stoa: PathBuf,
    /// The broker: nats or rabbitmq
    #[arg(long, default_value_t)]
    bus: BusKind,
    /// Processes of each service
    #[arg(long, default_value_t = 2)]
    replicas: usize,
    /// Keep objects in a shared folder instead of an S3 server
    #[arg(long)]
    no_s3: bool,
}

fn main() -> ExitCode {
    // What fails does so with words for whoever started it, not with a place in the source.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(words) = panic.payload_as_str() {
            say(&format!("stoa-split: {words}"));
        }
    }));
    let arguments = Arguments::parse();
    let (stop, stopped) = mpsc::channel();
    if let Err(error) = ctrlc::set_handler(move || {
        let _ = stop.send(());
    }) {
        say(&format!("stoa-split: Ctrl-C cannot be caught: {error}"));
        return ExitCode::FAILURE;
    }
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
    let _ = stopped.recv();
    say("stopping");
    split.stop();
    ExitCode::SUCCESS
}

fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

//! One process of one service.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use stoa_engines::{Process, Spec, free_port};

use crate::plan::Plan;

/// The longest that a process may take until it is ready.
const READY: Duration = Duration::from_secs(40);

/// One process of one service. Killed when dropped.
#[derive(Debug)]
pub struct Node {
    /// The service that it runs.
    pub service: String,
    /// Its port for HTTP.
    pub port: u16,
    /// Its port for calls between services.
    pub rpc_port: u16,
    log: PathBuf,
    spec: Spec,
    process: Option<Process>,
}

impl Node {
    /// A process that has its ports and is not started yet.
    pub(crate) fn new(plan: &Plan, folder: &Path, service: &str, number: usize) -> Self {
        let (port, rpc_port) = (free_port(), free_port());
        let name = format!("{service}-{number}");
        let (log, data) = (folder.join(format!("{name}.log")), folder.join(&name));
        let mut command = vec![plan.stoa.clone().into_os_string()];
        for file in ["split.toml", "provisioned.toml"] {
            command.push("--config".into());
            command.push(folder.join(file).into());
        }
        command.extend(["--data-dir".into(), data.into()]);
        command.extend(["serve".into(), "--only".into(), service.into()]);
        command.extend(["--listen".into(), format!("127.0.0.1:{port}").into()]);
        let environment = vec![(
            "STOA_SERVER__RPC_LISTEN".into(),
            format!("127.0.0.1:{rpc_port}").into(),
        )];
        let given = plan.environment.iter();
        let given = given.map(|(name, value)| (name.into(), value.into()));
        let spec = Spec {
            name: "stoa",
            package: "stoa",
            command,
            environment: environment.into_iter().chain(given).collect(),
            log: log.clone(),
            port,
            stop_signal: "TERM",
            not_root: false,
        };
        Self {
            service: service.to_owned(),
            port,
            rpc_port,
            log,
            spec,
            process: None,
        }
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has written.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// Starts it, without waiting until it is ready.
    ///
    /// # Panics
    /// When it ends before it listens.
    pub fn start(&mut self) {
        let started = match self.process.take() {
            Some(mut process) => {
                process.start_again();
                process
            }
            None => Process::start(self.spec.clone()),
        };
        self.process = Some(started);
    }

    /// Restarts it with a further variable of the environment.
    pub fn restart_with(&mut self, name: &str, value: &str) {
        self.stop();
        self.process = None;
        self.spec.environment.push((name.into(), value.into()));
        self.start();
        self.wait();
    }

    /// Stops it in order and starts it again, ready.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
        self.wait();
    }

    /// Stops it in order: SIGTERM.
    pub fn stop(&mut self) {
        if let Some(process) = &mut self.process {
            process.stop();
        }
    }

    /// Kills it: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }

    /// Holds it still: SIGSTOP.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.pause();
        }
    }

    /// Lets it go on.
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.resume();
        }
    }

    /// Waits until it says that it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn wait(&mut self) {
        let deadline = Instant::now() + READY;
        while !self.is_ready() {
            let ended = self.process.as_mut().is_some_and(Process::has_ended);
            assert!(
                !ended && Instant::now() < deadline,
                "{} on port {} does not become ready:\n{}",
                self.service,
                self.port,
                self.tail()
            );
            thread::sleep(Duration::from_millis(25));
        }
    }

    /// The last lines that it wrote.
    fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Whether it says that it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        is_ready(self.port)
    }
}

/// Waits until what listens on `port` says that it is ready; panics with `words` if it does not.
pub(crate) fn wait_until_ready(port: u16, words: impl FnOnce() -> String) {
    let deadline = Instant::now() + READY;
    while !is_ready(port) {
        if Instant::now() > deadline {
            panic!("{}", words());
        }
        thread::sleep(Duration::from_millis(25));
    }
}

fn is_ready(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

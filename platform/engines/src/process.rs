//! One server process: started until it answers, stopped, killed, held still, started again.

use std::{
    ffi::OsString,
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

/// The longest that a server may take until it answers: starting many at once on a small machine takes its time.
const START: Duration = Duration::from_secs(90);
/// The longest that a server may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(20);

/// How a server is started. The same each time, so that it comes back on the same port with the same data.
#[derive(Clone, Debug)]
pub struct Spec {
    /// For messages: `nats-server`.
    pub name: &'static str,
    /// The distribution's package that it comes from.
    pub package: &'static str,
    /// Program and arguments.
    pub command: Vec<OsString>,
    /// Variables beside those that are there.
    pub environment: Vec<(String, OsString)>,
    /// Where its output goes.
    pub log: PathBuf,
    /// The port of 127.0.0.1 that it listens on.
    pub port: u16,
    /// The signal by which it stops in order: `TERM`, `INT`.
    pub stop_signal: &'static str,
    /// Whether it refuses to run as root; then it runs as nobody.
    pub not_root: bool,
}

/// A running or stopped server.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Option<Child>,
}

impl Process {
    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it does not start, with the end of what it wrote.
    #[must_use]
    pub fn start(spec: Spec) -> Self {
        let mut process = Self { spec, child: None };
        process.start_again();
        process
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.spec.port
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(Some(_))))
    }

    /// Starts it after [`Process::stop`] or [`Process::kill`].
    ///
    /// # Panics
    /// As [`Process::start`].
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.spec.name);
        self.child = Some(self.spawn());
        let deadline = Instant::now() + START;
        while !answers(self.spec.port) {
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                panic!(
                    "{} ended with {status}:\n{}",
                    self.spec.name,
                    tail(&self.spec.log)
                );
            }
            assert!(
                Instant::now() < deadline,
                "{} does not answer on port {}:\n{}",
                self.spec.name,
                self.spec.port,
                tail(&self.spec.log)
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        self.signal(self.spec.stop_signal);
        let Some(mut child) = self.child.take() else {
            return;
        };
        let deadline = Instant::now() + STOP;
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = child.kill();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.signal("CONT");
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Holds it still: it neither answers nor ends.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            let mut kill = Command::new("kill");
            kill.arg(format!("-{signal}")).arg(child.id().to_string());
            let _ = kill.output(); // it may have ended by itself
        }
    }

    fn spawn(&self) -> Child {
        let spec = &self.spec;
        let output = |what: &str| {
            File::options()
                .create(true)
                .append(true)
                .open(&spec.log)
                .unwrap_or_else(|e| panic!("cannot write {} for its {what}: {e}", spec.log.display()))
        };
        // The server ends with this process, however this process ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if spec.not_root && is_root() {
            command.args(AS_NOBODY);
        }
        command
            .arg("--")
            .args(&spec.command)
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output("output"))
            .stderr(output("errors"));
        let (package, name) = (spec.package, spec.name);
        spawn_from_lasting_thread(command)
            .unwrap_or_else(|e| panic!("{name} cannot be started: {e}; install the package {package}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) const AS_NOBODY: [&str; 3] = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];

/// Whether this process is root's.
pub(crate) fn is_root() -> bool {
    run(Command::new("id").arg("--user")).trim() == "0"
}

/// A port of 127.0.0.1 that nobody listens on. It is below those that the system gives to connections: one of them could have it before
/// the program listens that it is for.
///
/// # Panics
/// When none of a hundred is free.
#[must_use]
pub fn free_port() -> u16 {
    const LOWEST: u64 = 12_000;
    const COUNT: u64 = 18_000;
    (0..100_u64)
        // Its keys are random.
        .map(|number| LOWEST + RandomState::new().hash_one(number) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap_or_else(|| panic!("no port from {LOWEST} on is free"))
}

fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Runs a program to its end and returns what it printed.
///
/// # Panics
/// When it fails, with its words.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{} cannot be run: {e}", command.get_program().display()));
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The first of these programs that is there.
///
/// # Panics
/// When none is.
pub(crate) fn program(candidates: &[&str], package: &str) -> PathBuf {
    let found = candidates.iter().map(Path::new).find(|path| path.is_file());
    found.map_or_else(
        || panic!("none of {candidates:?} is there; install the package {package}"),
        Path::to_path_buf,
    )
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The kernel takes the thread that started a process for its parent, and tests' threads end with their test: so all
/// servers are started from one thread that lasts.
fn spawn_from_lasting_thread(command: Command) -> std::io::Result<Child> {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, outcome) = mpsc::channel();
    let gone = || std::io::Error::other("the thread that starts servers is gone");
    spawner.send((command, answer)).map_err(|_| gone())?;
    outcome.recv().map_err(|_| gone())?
}

/// What every engine of one process can be told.
macro_rules! delegate {
    ($engine:ty) => {
        impl $engine {
            /// Its process id, while it runs.
            #[must_use]
            pub fn id(&self) -> Option<u32> {
                self.process.id()
            }

            /// The port that it listens on.
            #[must_use]
            pub fn port(&self) -> u16 {
                self.process.port()
            }

            /// Stops it in order.
            pub fn stop(&mut self) {
                self.process.stop();
            }

            /// Kills it, as a crash would.
            pub fn kill(&mut self) {
                self.process.kill();
            }

            /// Holds it still: it neither answers nor ends.
            pub fn pause(&self) {
                self.process.pause();
            }

            /// Lets it go on.
            pub fn resume(&self) {
                self.process.resume();
            }

            /// Starts it on the same port with the same data, after a stop or a kill.
            pub fn start_again(&mut self) {
                self.process.start_again();
            }
        }
    };
}
pub(crate) use delegate;

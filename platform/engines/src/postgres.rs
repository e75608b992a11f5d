//! PostgreSQL.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    folder,
    process::{AS_NOBODY, Process, Spec, free_port, is_root, run},
};

/// A PostgreSQL server whose superuser is `stoa`, trusted from loopback.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    folder: TempDir,
}

impl Postgres {
    /// Starts one on an empty cluster.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = folder::temporary("postgres");
        let data = folder.path().join("data");
        let init: [&OsStr; 7] = [
            "--username=stoa".as_ref(),
            "--auth=trust".as_ref(),
            "--encoding=UTF8".as_ref(),
            "--locale=C.UTF-8".as_ref(),
            "--no-sync".as_ref(),
            "--pgdata".as_ref(),
            data.as_os_str(),
        ];
        run(as_nobody(&bin("initdb")).args(init));
        Self::serve(folder)
    }

    /// Starts a streaming replica of this server.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn replica(&self) -> Self {
        let folder = folder::temporary("replica");
        let data = folder.path().join("data");
        let mut copy = as_nobody(&bin("pg_basebackup"));
        copy.args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "--dbname",
        ])
        .arg(self.url())
        .arg("--pgdata")
        .arg(data);
        run(&mut copy);
        Self::serve(folder)
    }

    fn serve(folder: TempDir) -> Self {
        let port = free_port();
        let setting = |text: String| ["-c".into(), text.into()];
        let mut command = vec![
            bin("postgres").into(),
            "-D".into(),
            folder.path().join("data").into(),
        ];
        for text in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", folder.path().display()),
            "max_connections=400".to_owned(),
            "hot_standby=on".to_owned(),
            // A killed server loses nothing by this, only a machine without power would.
            "fsync=off".to_owned(),
        ] {
            command.extend(setting(text));
        }
        let process = Process::start(Spec {
            name: "PostgreSQL",
            package: "postgresql",
            command,
            environment: Vec::new(),
            log: folder.path().join("log"),
            port,
            // A fast shutdown: it does not wait for its clients to go.
            stop_signal: "INT",
            not_root: true,
        });
        let postgres = Self { process, folder };
        postgres.wait();
        postgres
    }

    /// `postgres://stoa@127.0.0.1:port/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://stoa@127.0.0.1:{}/postgres", self.process.port())
    }

    /// Runs statements as the superuser and returns the rows as `psql` prints them, unaligned.
    ///
    /// # Panics
    /// When one fails.
    pub fn sql(&self, text: &str) -> String {
        let mut psql = Command::new(bin("psql"));
        psql.args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet"])
            .args(["--set=ON_ERROR_STOP=1", "--dbname"])
            .arg(self.url())
            .args(["--command", text]);
        run(&mut psql)
    }

    /// The folder of its files, which goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

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

    /// Stops it in order; what its clients have open is broken off.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Kills it, as a crash would. Its own processes notice and end.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Holds it still: no new connection is answered.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Starts it on the same port with the same data, after a stop or a kill.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        self.wait_for_orphans();
        self.process.start_again();
        self.wait();
    }

    /// After a kill its own processes notice within a moment and end. Until then a new server refuses to start on the same data.
    fn wait_for_orphans(&self) {
        let data = self.folder.path().join("data");
        for _ in 0..1000 {
            if !is_worked_in(&data) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("processes of a killed PostgreSQL go on in {}", data.display());
    }

    /// It listens before it has recovered.
    fn wait(&self) {
        let mut ready = Command::new(bin("pg_isready"));
        ready
            .args(["--quiet", "--host=127.0.0.1", "--port"])
            .arg(self.port().to_string());
        for _ in 0..1000 {
            if ready.status().is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("PostgreSQL does not come up on port {}", self.port());
    }
}

/// Whether a process has the folder as its working directory, as all of a PostgreSQL server have that of its data.
fn is_worked_in(folder: &Path) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read_link(process.path().join("cwd")).ok())
        .any(|there| there == folder)
}

fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(AS_NOBODY).arg("--").arg(program);
    command
}

/// A program of the newest PostgreSQL that the distribution has.
fn bin(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.is_file())
        .max()
        .unwrap_or_else(|| panic!("PostgreSQL's {name} is not there; install the package postgresql"))
}

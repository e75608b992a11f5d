//! NATS with JetStream.

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port, program},
};

/// A NATS server with JetStream.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    _folder: TempDir,
}

impl Nats {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one that lets nobody in but this user.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_for(user: &str, password: &str) -> Self {
        Self::start_with(&[format!("--user={user}"), format!("--pass={password}")])
    }

    fn start_with(options: &[String]) -> Self {
        let (folder, port) = (folder::temporary("nats"), free_port());
        let mut command = vec![
            program(&["/usr/sbin/nats-server", "/usr/bin/nats-server"], "nats-server").into(),
            "--addr=127.0.0.1".into(),
            format!("--port={port}").into(),
            "--jetstream".into(),
            format!("--store_dir={}", folder.path().display()).into(),
        ];
        command.extend(options.iter().map(Into::into));
        let process = Process::start(Spec {
            name: "nats-server",
            package: "nats-server",
            command,
            environment: Vec::new(),
            log: folder.path().join("log"),
            port,
            stop_signal: "TERM",
            not_root: false,
        });
        Self {
            process,
            _folder: folder,
        }
    }

    /// `nats://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.process.port())
    }
}

crate::process::delegate!(Nats);

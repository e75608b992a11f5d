//! One Redis server.

use std::ffi::OsString;

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port, program},
};

/// A Redis server that keeps what it was given across restarts.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    _folder: TempDir,
}

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more options, as `redis-server` takes them.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let (folder, port) = (folder::temporary("redis"), free_port());
        let dir = folder.path().display().to_string();
        let mut command: Vec<OsString> = vec![program(&["/usr/bin/redis-server"], "redis-server").into()];
        let port_text = port.to_string();
        let fixed = [
            "--bind",
            "127.0.0.1",
            "--port",
            &port_text,
            "--dir",
            &dir,
            "--save",
            "",
            "--appendonly",
            "yes",
        ];
        command.extend(fixed.iter().chain(options).map(OsString::from));
        let process = Process::start(Spec {
            name: "redis-server",
            package: "redis-server",
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

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.process.port())
    }
}

crate::process::delegate!(Redis);

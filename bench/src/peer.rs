//! Programs that do the same, started by the scripts of `bench/peers`.

use std::path::Path;

use stoa_engines::{Process, Spec, free_port};

/// A peer that serves HTTP. Told to stop when dropped, so that its script tidies up.
pub(crate) struct Peer {
    process: Process,
    folder: tempfile::TempDir,
}

impl Peer {
    /// nginx or HAProxy before `upstream`.
    pub(crate) fn proxy(name: &'static str, upstream: &str) -> Result<Self, crate::Error> {
        Self::start(name, name, |_| vec![("UPSTREAM", upstream.to_owned())])
    }

    /// A server of WebSockets on Node: `socketio` or `ws`.
    pub(crate) fn sockets(name: &str) -> Result<Self, crate::Error> {
        Self::start("sockets", "nodejs", |_| vec![("PEER", name.to_owned())])
    }

    /// nginx, which keeps and serves files.
    pub(crate) fn files() -> Result<Self, crate::Error> {
        Self::start("files", "nginx", |_| Vec::new())
    }

    /// NestJS on this PostgreSQL, from so many processes.
    pub(crate) fn nestjs(database: String, workers: usize) -> Result<Self, crate::Error> {
        Self::start("nestjs", "nodejs", |folder| {
            vec![
                ("DATABASE_URL", database),
                ("WORKERS", workers.to_string()),
                ("TOKEN_FILE", token_file(folder)),
            ]
        })
    }

    /// Blocks until it listens.
    fn start(
        name: &'static str,
        package: &'static str,
        told: impl FnOnce(&Path) -> Vec<(&'static str, String)>,
    ) -> Result<Self, crate::Error> {
        let (folder, port) = (tempfile::tempdir()?, free_port());
        let script = format!("{}/peers/{name}/start.sh", env!("CARGO_MANIFEST_DIR"));
        let mut environment = told(folder.path());
        environment.push(("PORT", port.to_string()));
        let spec = Spec {
            name,
            package,
            command: vec!["bash".into(), script.into()],
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
            log: folder.path().join("log"),
            port,
            stop_signal: "TERM",
            not_root: false,
        };
        let process = tokio::task::block_in_place(|| Process::start(spec));
        Ok(Self { process, folder })
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.process.port())
    }

    /// The address of one's own profile.
    pub(crate) fn me(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.process.port(), crate::bare::PATH)
    }

    /// The token that the peer made for callers.
    pub(crate) fn token(&self) -> Result<String, crate::Error> {
        Ok(std::fs::read_to_string(token_file(self.folder.path()))?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.process.stop();
    }
}

fn token_file(folder: &Path) -> String {
    folder.join("token").display().to_string()
}

//! PgBouncer in transaction mode.

use tempfile::TempDir;

use crate::{
    folder,
    postgres::Postgres,
    process::{Process, Spec, free_port, program},
};

/// A PgBouncer before a PostgreSQL, in transaction mode, for any user and database.
#[derive(Debug)]
pub struct PgBouncer {
    process: Process,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts one before this server.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(postgres: &Postgres) -> Self {
        let (folder, port) = (folder::temporary("pgbouncer"), free_port());
        let path = folder.path();
        folder::write(path, "users.txt", "\"stoa\" \"\"\n");
        folder::write(
            path,
            "pgbouncer.ini",
            &format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
                 max_client_conn = 500\ndefault_pool_size = 20\n",
                postgres.port(),
                path.join("users.txt").display(),
            ),
        );
        let process = Process::start(Spec {
            name: "PgBouncer",
            package: "pgbouncer",
            command: vec![
                program(&["/usr/sbin/pgbouncer"], "pgbouncer").into(),
                path.join("pgbouncer.ini").into(),
            ],
            environment: Vec::new(),
            log: path.join("log"),
            port,
            stop_signal: "INT",
            not_root: true,
        });
        Self {
            process,
            _folder: folder,
        }
    }

    /// `postgres://stoa@127.0.0.1:port/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://stoa@127.0.0.1:{}/postgres", self.process.port())
    }
}

crate::process::delegate!(PgBouncer);

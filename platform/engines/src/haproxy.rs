//! HAProxy, as the balancer before several servers that speak HTTP.

use std::fmt::Write;

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port, program},
};

/// A balancer: each request goes to the server with the fewest, of those that say that they are ready. What
/// may be done twice is asked again of another when a server ends without an answer.
#[derive(Debug)]
pub struct HaProxy {
    process: Process,
    _folder: TempDir,
}

impl HaProxy {
    /// Starts one before the servers on these ports of 127.0.0.1, which answer 200 to `GET` of `ready`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(ports: &[u16], ready: &str) -> Self {
        let (folder, port) = (folder::temporary("haproxy"), free_port());
        let mut config = format!(
            "global\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 60s\n  timeout server 60s\n  timeout check 3s\n\
             \x20 timeout tunnel 1h\n  retries 3\n  option redispatch\n  option forwardfor\n\
             frontend public\n  bind 127.0.0.1:{port}\n  default_backend servers\n\
             backend servers\n  balance leastconn\n  option httpchk GET {ready}\n\
             \x20 retry-on conn-failure empty-response\n\
             \x20 http-request disable-l7-retry unless {{ method GET HEAD PUT DELETE OPTIONS }}\n\
             \x20 default-server check inter 250ms fall 1 rise 1\n"
        );
        for (number, server) in ports.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = writeln!(config, "  server s{number} 127.0.0.1:{server}");
        }
        folder::write(folder.path(), "haproxy.cfg", &config);
        let process = Process::start(Spec {
            name: "HAProxy",
            package: "haproxy",
            command: vec![
                program(&["/usr/sbin/haproxy"], "haproxy").into(),
                "-db".into(),
                "-f".into(),
                folder.path().join("haproxy.cfg").into(),
            ],
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

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.process.port())
    }
}

crate::process::delegate!(HaProxy);

//! A push service, and browsers that subscribe with it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
};

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port},
    python,
};

/// The releases on PyPI of what decrypts messages and checks tokens.
const PACKAGES: [&str; 2] = ["http-ece==1.2.1", "py-vapid==1.9.6"];

/// A push service that refuses what real ones refuse, and decrypts what it takes.
#[derive(Debug)]
pub struct PushService {
    process: Process,
    _folder: TempDir,
}

impl PushService {
    /// Starts one; the first time it is installed from PyPI into the target folder.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let (folder, port) = (folder::temporary("push"), free_port());
        folder::write(folder.path(), "push.py", include_str!("../python/push.py"));
        let process = Process::start(Spec {
            name: "push.py",
            package: "python3-venv",
            command: vec![
                python::programs("push", &PACKAGES).join("python").into(),
                folder.path().join("push.py").into(),
                port.to_string().into(),
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

    /// A new browser's subscription, by the installation's public key, as JSON: `endpoint`, `p256dh`, `auth`.
    ///
    /// # Panics
    /// When the service does not answer.
    #[must_use]
    pub fn subscribe(&self, installation: &str) -> String {
        self.ask("POST", "/subscribe", installation)
    }

    /// What the subscription got whose endpoint ends in `name`, as JSON: a list of `text`, `length` and `headers`.
    ///
    /// # Panics
    /// When the service does not answer.
    #[must_use]
    pub fn messages(&self, name: &str) -> String {
        self.ask("GET", &format!("/messages/{name}"), "")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let ask = || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port()))?;
            let length = body.len();
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = ask().unwrap_or_else(|e| panic!("the push service does not answer: {e}"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        assert!(head.starts_with("HTTP/1.1 20"), "{answer}");
        body.to_owned()
    }
}

crate::process::delegate!(PushService);

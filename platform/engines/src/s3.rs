//! An S3 server.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpStream},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port},
    python,
};

/// The server's release on PyPI, with what it needs to serve S3 alone.
const MOTO: &str = "moto[s3,server]==5.2.5";

/// A server of the S3 protocol with a bucket named `stoa`. It keeps objects in memory: a stop forgets them.
#[derive(Debug)]
pub struct S3 {
    process: Process,
    _folder: TempDir,
}

impl S3 {
    /// Starts one; the first time it is installed from PyPI into the target folder.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let (folder, port) = (folder::temporary("s3"), free_port());
        let process = Process::start(Spec {
            name: "moto_server",
            package: "python3-venv",
            command: vec![
                python::programs("moto", &[MOTO]).join("moto_server").into(),
                "--host=127.0.0.1".into(),
                format!("--port={port}").into(),
            ],
            environment: Vec::new(),
            log: folder.path().join("log"),
            port,
            stop_signal: "TERM",
            not_root: false,
        });
        let s3 = Self {
            process,
            _folder: folder,
        };
        s3.make_bucket("stoa");
        s3
    }

    /// `s3://stoa`.
    #[must_use]
    pub fn url(&self) -> String {
        "s3://stoa".to_owned()
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.process.port())
    }

    /// Makes another bucket.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn make_bucket(&self, name: &str) {
        // A server that has just begun to listen may still reset connections.
        let outcome = (0..50).find_map(|_| match self.ask_for_bucket(name) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                thread::sleep(Duration::from_millis(100));
                None
            }
            outcome => Some(outcome),
        });
        let made = matches!(&outcome, Some(Ok(answer)) if answer.starts_with("HTTP/1.1 200"));
        assert!(made, "the bucket {name} could not be made: {outcome:?}");
    }

    fn ask_for_bucket(&self, name: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port()))?;
        let request = format!(
            "PUT /{name} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.port()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

crate::process::delegate!(S3);

//! A mail server.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::{
    folder,
    process::{Process, Spec, free_port},
    python,
};

/// The server's releases on PyPI.
const PACKAGES: [&str; 1] = ["aiosmtpd==1.4.6"];

/// How it answers, one after the other and then from the beginning. A recipient `nobody@…` does not exist in any case.
#[derive(Clone, Copy, Debug)]
pub struct SmtpAnswers<'a> {
    /// To a recipient: `250 2.1.5 OK`, `451 4.3.0 try again later`. After 421 the connection is closed.
    pub recipients: &'a [&'a str],
    /// To a mail: `250 2.0.0 OK`; or `lost`: it is taken and the connection breaks before the answer.
    pub contents: &'a [&'a str],
}

impl Default for SmtpAnswers<'_> {
    /// It takes everything.
    fn default() -> Self {
        Self {
            recipients: &["250 2.1.5 OK"],
            contents: &["250 2.0.0 OK: queued as 4F2A"],
        }
    }
}

/// A mail server that wants STARTTLS, and AUTH after it.
#[derive(Debug)]
pub struct SmtpServer {
    process: Process,
    folder: TempDir,
}

impl SmtpServer {
    /// Starts one; the first time it is installed from PyPI into the target folder.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(answers: SmtpAnswers<'_>) -> Self {
        let (folder, port) = (folder::temporary("smtp"), free_port());
        folder::certificate(&folder);
        folder::write(folder.path(), "smtp.py", include_str!("../python/smtp.py"));
        let mails = folder.path().join("mails");
        fs::create_dir(&mails).unwrap_or_else(|e| panic!("cannot make {}: {e}", mails.display()));
        let list = |answers: &[&str]| {
            format!(
                "[{}]",
                answers
                    .iter()
                    .map(|one| format!("{one:?}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        };
        let answers = format!(
            r#"{{"recipients": {}, "contents": {}}}"#,
            list(answers.recipients),
            list(answers.contents)
        );
        let process = Process::start(Spec {
            name: "aiosmtpd",
            package: "python3-venv",
            command: vec![
                python::programs("aiosmtpd", &PACKAGES).join("python").into(),
                folder.path().join("smtp.py").into(),
                mails.into(),
                port.to_string().into(),
                folder.path().join("own.crt").into(),
                folder.path().join("own.key").into(),
                answers.into(),
            ],
            environment: Vec::new(),
            log: folder.path().join("log"),
            port,
            stop_signal: "TERM",
            not_root: false,
        });
        Self { process, folder }
    }

    /// `smtp://user:password@127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://stoa:secret@127.0.0.1:{}", self.process.port())
    }

    /// The file with the certificate of the server, which is its own authority.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("own.crt")
    }

    /// The mails that it took, oldest first.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    pub fn mails(&self) -> Vec<String> {
        let folder = self.folder.path().join("mails");
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
        paths.sort();
        let read = |path: &PathBuf| fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        paths
            .iter()
            .map(|path| String::from_utf8_lossy(&read(path)).into_owned())
            .collect()
    }
}

crate::process::delegate!(SmtpServer);

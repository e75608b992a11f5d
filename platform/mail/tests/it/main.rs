//! Mail through its public surface: a server, the folder, and the pages over it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod folder;
mod pages;
mod peer;
mod sendgrid;
mod server;
mod smtp;

use std::{path::PathBuf, time::Duration};

use stoa_cache::Cache;
use stoa_kernel::{Clock, Period};
use stoa_mail::{Headers, Mail, MailConfig, Mailer, SendError};
use stoa_providers::testing::outbound;
use tempfile::TempDir;

/// A mailer without a server, and the folder it writes to.
fn folder() -> (Mailer, TempDir) {
    let dir = TempDir::new().unwrap();
    (mailer_in(&config(""), dir.path().join("mail")), dir)
}

fn opened(config: &MailConfig, folder: PathBuf) -> Result<Mailer, SendError> {
    Mailer::new(
        config,
        folder,
        &Cache::local(1 << 20),
        &outbound(),
        Clock::system(),
    )
}

fn mailer_in(config: &MailConfig, folder: PathBuf) -> Mailer {
    opened(config, folder).unwrap()
}

/// A mailer over the servers that `config` names.
fn mailer_of(config: &MailConfig) -> Mailer {
    mailer_in(config, "unused".into())
}

fn config(url: &str) -> MailConfig {
    MailConfig {
        url: url.to_owned(),
        from: "Stoa <stoa@example.com>".to_owned(),
        timeout: Period(Duration::from_secs(20)),
        ..MailConfig::default()
    }
}

fn mail(id: &str) -> Mail {
    Mail {
        id: id.to_owned(),
        to: "Ada <ada@example.com>".to_owned(),
        subject: format!("Welcome {id}"),
        text: "Follow https://example.com/verify?token=abc to go on.\n.\nThe end".to_owned(),
        html: Some("<p>Follow <a href=\"https://example.com/verify?token=abc\">this</a></p>".to_owned()),
        headers: Headers::new(),
    }
}

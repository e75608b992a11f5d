//! Mail through its public surface: a server, the folder, and the pages over it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod folder;
mod pages;
mod peer;
mod smtp;

use std::time::Duration;

use stoa_kernel::Period;
use stoa_mail::{Mail, MailConfig, Mailer};
use tempfile::TempDir;

/// A mailer without a server, and the folder it writes to.
fn folder() -> (Mailer, TempDir) {
    let dir = TempDir::new().unwrap();
    (Mailer::new(&config(""), dir.path().join("mail")).unwrap(), dir)
}

fn config(url: &str) -> MailConfig {
    MailConfig {
        folder: "".into(),
        url: url.to_owned(),
        from: "Stoa <stoa@example.com>".to_owned(),
        timeout: Period(Duration::from_secs(20)),
    }
}

fn mail(id: &str) -> Mail {
    Mail {
        id: id.to_owned(),
        to: "Ada <ada@example.com>".to_owned(),
        subject: format!("Welcome {id}"),
        text: "Follow https://example.com/verify?token=abc to go on.\n.\nThe end".to_owned(),
        html: Some("<p>Follow <a href=\"https://example.com/verify?token=abc\">this</a></p>".to_owned()),
    }
}

//! Mails in the folder, and how their pages show them. A mail's HTML stands in a sandboxed frame: it runs no script, loads nothing, and
//! sends nothing.

use minijinja::{Value, context};
use stoa_providers::{Record, Shown, Stored, moment, with_links};

use crate::Mail;

impl Record for Mail {
    const CHANNEL: &'static str = "mail";
    const BESIDE: Option<&'static str> = Some("eml");

    fn id(&self) -> &str {
        &self.id
    }
}

impl Shown for Mail {
    const LIST: &'static str = include_str!("../templates/list.html");
    const ONE: &'static str = include_str!("../templates/mail.html");

    fn summary(stored: &Stored<Self>) -> Value {
        let mail = &stored.message;
        context! {
            id => mail.id.as_str(),
            to => mail.to.as_str(),
            subject => mail.subject.as_str(),
            sent_at => stored.sent_at.to_string(),
            sent => moment(stored.sent_at),
            preview => mail.text.split_whitespace().take(24).collect::<Vec<_>>().join(" "),
        }
    }

    fn page(stored: &Stored<Self>, as_text: bool) -> Value {
        let mail = &stored.message;
        let headers: Vec<_> = mail
            .headers
            .iter()
            .map(|(header, value)| context! { name => header.name(), value => value.as_str() })
            .collect();
        context! {
            mail => Self::summary(stored),
            headers => headers,
            // Links open outside of the frame.
            html => mail.html.as_ref().map(|html| format!("<base target=\"_blank\">{html}")),
            parts => with_links(&mail.text),
            as_text => as_text || mail.html.is_none(),
        }
    }
}

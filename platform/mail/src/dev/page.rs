//! The pages. A mail's HTML stands in a sandboxed frame: it runs no script, loads nothing, and sends nothing.

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, Value, context};

use crate::folder::Stored;

/// The frame inherits it: styles of its own are all that a mail's HTML may bring.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) struct Pages(Environment<'static>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Html,
    Text,
}

impl Pages {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        for (name, source) in [
            ("layout.html", include_str!("../../templates/layout.html")),
            ("list.html", include_str!("../../templates/list.html")),
            ("mail.html", include_str!("../../templates/mail.html")),
            ("missing.html", include_str!("../../templates/missing.html")),
            ("locked.html", include_str!("../../templates/locked.html")),
        ] {
            if let Err(error) = environment.add_template(name, source) {
                tracing::error!(%error, name, "a template of the mail pages is wrong");
            }
        }
        Self(environment)
    }

    pub(super) fn list(&self, mails: &[Stored], refresh: bool) -> Response {
        let mails: Vec<Value> = mails.iter().map(summary).collect();
        self.render(
            StatusCode::OK,
            "list.html",
            &context! { mails => mails, refresh => refresh },
        )
    }

    pub(super) fn mail(&self, stored: &Stored, view: View) -> Response {
        let mail = &stored.mail;
        let parts: Vec<Value> = parts(&mail.text)
            .map(|(text, link)| context! { text => text, link => link })
            .collect();
        let values = context! {
            mail => summary(stored),
            // Links open outside of the frame.
            html => mail.html.as_ref().map(|html| format!("<base target=\"_blank\">{html}")),
            parts => parts,
            as_text => view == View::Text,
        };
        self.render(StatusCode::OK, "mail.html", &values)
    }

    pub(super) fn missing(&self) -> Response {
        self.render(StatusCode::NOT_FOUND, "missing.html", &context! {})
    }

    pub(super) fn locked(&self) -> Response {
        self.render(StatusCode::FORBIDDEN, "locked.html", &context! {})
    }

    fn render(&self, status: StatusCode, name: &str, values: &Value) -> Response {
        let page = self
            .0
            .get_template(name)
            .and_then(|template| template.render(values.clone()));
        match page {
            Ok(page) => (
                status,
                [
                    (header::CONTENT_SECURITY_POLICY, POLICY),
                    (header::REFERRER_POLICY, "no-referrer"),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                ],
                Html(page),
            )
                .into_response(),
            Err(error) => {
                tracing::error!(%error, name, "a mail page cannot be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

fn summary(stored: &Stored) -> Value {
    let mail = &stored.mail;
    context! {
        id => mail.id.as_str(),
        to => mail.to.as_str(),
        subject => mail.subject.as_str(),
        sent_at => stored.sent_at.to_string(),
        sent => stored.sent_at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string(),
        preview => mail.text.split_whitespace().take(24).collect::<Vec<_>>().join(" "),
    }
}

/// Cuts a text into what is a web address (true) and what is not.
fn parts(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (part, link) = match find_link(rest) {
            None => (rest, false),
            Some((0, length)) => (&rest[..length], true),
            Some((start, _)) => (&rest[..start], false),
        };
        rest = &rest[part.len()..];
        (!part.is_empty()).then_some((part, link))
    })
}

/// Where the first web address in `text` begins, and its length.
fn find_link(text: &str) -> Option<(usize, usize)> {
    let start = [text.find("http://"), text.find("https://")]
        .into_iter()
        .flatten()
        .min()?;
    let found = &text[start..];
    let end = found
        .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\''))
        .unwrap_or(found.len());
    // Punctuation after an address belongs to the sentence.
    Some((
        start,
        found[..end]
            .trim_end_matches(['.', ',', ';', ':', '!', '?', ')'])
            .len(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_are_found_in_text() {
        let text = "See https://a.example/x?t=1_2, or (http://b.example).\nBye";
        let found: Vec<_> = parts(text).collect();
        assert_eq!(
            found,
            [
                ("See ", false),
                ("https://a.example/x?t=1_2", true),
                (", or (", false),
                ("http://b.example", true),
                (").\nBye", false),
            ]
        );
        assert_eq!(parts("no address").collect::<Vec<_>>(), [("no address", false)]);
        assert_eq!(parts("").count(), 0);
    }
}

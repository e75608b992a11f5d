//! The pages. They load nothing and run no script.

use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, Value, context};

/// The frame of a mail inherits it: styles of its own are all that its HTML may bring.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) struct Pages {
    environment: Environment<'static>,
    channel: &'static str,
}

impl Pages {
    /// With the channel's own `list` and `one` between those that all share.
    pub(super) fn new(channel: &'static str, list: &'static str, one: &'static str) -> Self {
        let mut environment = Environment::new();
        for (name, source) in [
            ("layout.html", include_str!("../../templates/layout.html")),
            ("missing.html", include_str!("../../templates/missing.html")),
            ("locked.html", include_str!("../../templates/locked.html")),
            ("list.html", list),
            ("one.html", one),
        ] {
            if let Err(error) = environment.add_template(name, source) {
                tracing::error!(%error, channel, name, "a template of the pages of messages is wrong");
            }
        }
        Self { environment, channel }
    }

    pub(super) fn list(&self, messages: Vec<Value>, refresh: bool) -> Response {
        self.render(
            StatusCode::OK,
            "list.html",
            &context! { messages => messages, refresh => refresh },
        )
    }

    pub(super) fn one(&self, message: &Value) -> Response {
        self.render(StatusCode::OK, "one.html", message)
    }

    pub(super) fn missing(&self) -> Response {
        self.render(StatusCode::NOT_FOUND, "missing.html", &context! {})
    }

    pub(super) fn locked(&self) -> Response {
        self.render(StatusCode::FORBIDDEN, "locked.html", &context! {})
    }

    fn render(&self, status: StatusCode, name: &str, values: &Value) -> Response {
        let values = context! { channel => self.channel, ..values.clone() };
        let page = self
            .environment
            .get_template(name)
            .and_then(|template| template.render(values));
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
                tracing::error!(%error, channel = self.channel, name, "a page of messages cannot be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

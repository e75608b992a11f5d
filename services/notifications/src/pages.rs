//! The page that the link to unsubscribe leads to. It works without scripts, and opening it changes nothing: programs that look at mails
//! follow links too. Mail programs send it a POST by themselves (RFC 8058).

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use stoa_http::{Failure, html_page};
use stoa_kernel::random;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    categories,
    ctx::Ctx,
    error::Error,
    ops::unsubscribe,
    store::{links::LinkRow, people},
};

/// Longest query that is looked into, in bytes.
const QUERY_MAX: usize = 256;
/// Languages of a browser that are looked at.
const LANGUAGES_MAX: usize = 20;

/// `/notifications/unsubscribe`: a page, and so not in the description of the API.
pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().route("/notifications/unsubscribe", get(ask).post(unsubscribe))
}

/// What the page says, in one language.
struct Words {
    language: &'static str,
    heading: &'static str,
    error: &'static str,
    not_valid: &'static str,
    failed: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    heading: "Unsubscribe",
    error: "Error",
    not_valid: "This link is not valid any more. Sign in to choose which mails you get.",
    failed: "That did not work. Try again later.",
};

const GERMAN: Words = Words {
    language: "de",
    heading: "Abbestellen",
    error: "Fehler",
    not_valid: "Dieser Link ist nicht mehr gültig. Melden Sie sich an, um zu wählen, welche E-Mails Sie bekommen.",
    failed: "Das hat nicht geklappt. Versuchen Sie es später noch einmal.",
};

impl Words {
    /// In the first of these languages that there are words in.
    fn of<'a>(wanted: impl IntoIterator<Item = &'a str>) -> &'static Self {
        let mut known = wanted.into_iter().filter_map(|tag| match tag.split('-').next() {
            Some(language) if language.eq_ignore_ascii_case("de") => Some(&GERMAN),
            Some(language) if language.eq_ignore_ascii_case("en") => Some(&ENGLISH),
            _ => None,
        });
        known.next().unwrap_or(&ENGLISH)
    }

    /// As the browser asks, where nobody knows whose the link is.
    fn of_browser(headers: &HeaderMap) -> &'static Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE);
        let accepted = accepted.and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self::of(
            accepted
                .split(',')
                .take(LANGUAGES_MAX)
                .map(|one| one.split(';').next().unwrap_or_default().trim()),
        )
    }

    /// In the language of the person whose link it is.
    async fn of_person(ctx: &Ctx, link: &LinkRow) -> Result<&'static Self, Error> {
        let person = people::get(&ctx.db, link.user_id).await?;
        Ok(Self::of(person.and_then(|person| person.language).as_deref()))
    }

    fn is_german(&self) -> bool {
        self.language == GERMAN.language
    }

    fn question(&self, link: &LinkRow) -> String {
        let title = categories::title(&link.category, self.is_german());
        match (self.is_german(), title.is_empty()) {
            (false, false) => format!("Do you want no more mails of the category “{title}”?"),
            (false, true) => "Do you want no more mails but critical ones?".to_owned(),
            (true, false) => format!("Möchten Sie keine E-Mails mehr zum Thema „{title}“ bekommen?"),
            (true, true) => "Möchten Sie keine E-Mails mehr bekommen außer wichtigen Warnungen?".to_owned(),
        }
    }

    fn done(&self, link: &LinkRow) -> String {
        let title = categories::title(&link.category, self.is_german());
        match (self.is_german(), title.is_empty()) {
            (false, false) => {
                format!("You get no more mails of the category “{title}”. You may close this page.")
            }
            (false, true) => "You get no more mails but critical ones. You may close this page.".to_owned(),
            (true, false) => {
                format!(
                    "Sie bekommen keine E-Mails mehr zum Thema „{title}“. Sie können diese Seite schließen."
                )
            }
            (true, true) => {
                "Sie bekommen keine E-Mails mehr außer wichtigen Warnungen. Sie können diese Seite schließen."
                    .to_owned()
            }
        }
    }
}

async fn ask(State(ctx): State<Ctx>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let token = token(query.as_deref());
    let asked = async {
        let link = unsubscribe::find(&ctx, &token).await?;
        Ok::<_, Error>((Words::of_person(&ctx, &link).await?, link))
    };
    match asked.await {
        Ok((words, link)) => {
            let content = json!({ "question": words.question(&link), "token": token });
            page(&ctx, words, StatusCode::OK, content)
        }
        Err(error) => refused(&ctx, &headers, error),
    }
}

async fn unsubscribe(State(ctx): State<Ctx>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let done = async {
        let link = unsubscribe::unsubscribe(&ctx, &token(query.as_deref())).await?;
        Ok::<_, Error>((Words::of_person(&ctx, &link).await?, link))
    };
    match done.await {
        Ok((words, link)) => page(&ctx, words, StatusCode::OK, json!({ "good": words.done(&link) })),
        Err(error) => refused(&ctx, &headers, error),
    }
}

fn refused(ctx: &Ctx, headers: &HeaderMap, error: Error) -> Response {
    let words = Words::of_browser(headers);
    if matches!(error, Error::NotFound) {
        return page(
            ctx,
            words,
            StatusCode::NOT_FOUND,
            json!({ "bad": words.not_valid }),
        );
    }
    let failure = Failure::from(error);
    if let Some(cause) = &failure.internal {
        tracing::error!(cause, "a page failed");
    }
    page(ctx, words, failure.status(), json!({ "bad": words.failed }))
}

fn page(ctx: &Ctx, words: &Words, status: StatusCode, content: Value) -> Response {
    let nonce = random::token::<16>();
    let mut context: Map<String, Value> = ["question", "token", "good", "bad"]
        .map(|name| (name.to_owned(), content[name].clone()))
        .into_iter()
        .collect();
    for (name, text) in [
        ("nonce", &*nonce),
        ("product", &*ctx.product_name),
        ("language", words.language),
        ("heading", words.heading),
        ("error", words.error),
    ] {
        context.insert(name.to_owned(), text.into());
    }
    match ctx.texts.page(&context) {
        Ok(html) => html_page(status, &nonce, html),
        Err(cause) => Failure::internal(cause).into_response(),
    }
}

/// The token of a link: letters, digits, `-` and `_`; empty if there is none.
fn token(query: Option<&str>) -> String {
    let query = query.filter(|query| query.len() <= QUERY_MAX).unwrap_or_default();
    let token = query.split('&').find_map(|part| part.strip_prefix("token="));
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    token
        .filter(|token| token.chars().all(plain))
        .unwrap_or_default()
        .to_owned()
}

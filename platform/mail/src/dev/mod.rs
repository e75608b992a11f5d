//! `/dev/mail`: the folder mailbox as pages for people and as JSON for scripts.

mod guard;
mod page;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use crate::{MailError, folder::Folder};
use page::{Pages, View};

#[derive(Clone)]
struct Dev {
    folder: Folder,
    pages: Arc<Pages>,
}

/// The folder mailbox as pages.
pub struct DevMailbox {
    /// `/dev/mail` and `/dev/mail/{id}`, to callers on this machine who have the key.
    pub router: Router,
    /// The path that lets a browser in: `/dev/mail?key=…`.
    pub path: String,
}

/// The pages. Their key is in the folder; it is made where it is missing.
pub(crate) fn mailbox(folder: Folder) -> Result<DevMailbox, MailError> {
    let (key, pages) = (folder.key()?, Arc::new(Pages::new()));
    let path = format!("/dev/mail?key={key}");
    let lock = Arc::new(guard::Lock {
        key,
        pages: Arc::clone(&pages),
    });
    let router = Router::new()
        .route("/dev/mail", get(list))
        .route("/dev/mail/{id}", get(show))
        .layer(middleware::from_fn_with_state(lock, guard::holders_of_the_key))
        .with_state(Dev { folder, pages });
    Ok(DevMailbox { router, path })
}

#[derive(Deserialize)]
struct Asked {
    format: Option<String>,
    /// On a mail: `text` or `html`.
    view: Option<String>,
    /// On the list: reload every few seconds.
    refresh: Option<String>,
}

impl Asked {
    /// `?format=json`, or an `Accept` that wants JSON and no page.
    fn json(&self, headers: &HeaderMap) -> bool {
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        self.format.as_deref() == Some("json")
            || (accept.contains("application/json") && !accept.contains("text/html"))
    }
}

async fn list(State(dev): State<Dev>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    match dev.folder.list().await {
        Ok(mails) if asked.json(&headers) => Json(serde_json::json!({ "items": mails })).into_response(),
        Ok(mails) => dev.pages.list(&mails, asked.refresh.is_some()),
        Err(error) => failed(&error),
    }
}

async fn show(
    State(dev): State<Dev>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let json = asked.json(&headers);
    match dev.folder.get(id).await {
        Ok(Some(stored)) if json => Json(stored).into_response(),
        Ok(Some(stored)) => {
            let text = asked.view.as_deref() == Some("text") || stored.mail.html.is_none();
            dev.pages
                .mail(&stored, if text { View::Text } else { View::Html })
        }
        Ok(None) if json => guard::not_found(),
        Ok(None) => dev.pages.missing(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &MailError) -> Response {
    tracing::error!(%error, "the folder mailbox cannot be shown");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "The mail folder cannot be read; the log says why.\n",
    )
        .into_response()
}

//! `/dev/mail`, `/dev/sms`: what a folder keeps, as pages for people and as JSON for scripts.

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
use minijinja::Value;
use serde::Deserialize;

use crate::{Folder, Record, SendError, Stored};
use page::Pages;

/// A message that pages can show.
pub trait Shown: Record {
    /// The template of the list, which has `messages`, each a [summary](Shown::summary), and `refresh`. It extends `layout.html`.
    const LIST: &'static str;
    /// The template of one message, which has what [`Shown::page`] gives.
    const ONE: &'static str;

    /// What the list shows of it.
    fn summary(stored: &Stored<Self>) -> Value;

    /// What its page shows. `as_text`: the text, where there is something else.
    fn page(stored: &Stored<Self>, as_text: bool) -> Value;
}

/// The messages of a folder as pages.
pub struct DevPages {
    /// `/dev/<channel>` and `/dev/<channel>/{id}`, to callers on this machine who have the key.
    pub router: Router,
    /// The path that lets a browser in: `/dev/mail?key=…`.
    pub path: String,
    /// The paths of the router.
    pub paths: [String; 2],
}

struct Dev<T> {
    folder: Folder<T>,
    pages: Arc<Pages>,
}

impl<T> Clone for Dev<T> {
    fn clone(&self) -> Self {
        Self {
            folder: self.folder.clone(),
            pages: Arc::clone(&self.pages),
        }
    }
}

impl DevPages {
    /// The pages over a folder. Their key is in the folder; it is made where it is missing. Not to be served where people reach this
    /// installation from elsewhere.
    ///
    /// The server must put axum's `ConnectInfo<SocketAddr>` into requests; without it every caller is refused.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn new<T: Shown>(folder: Folder<T>) -> Result<Self, SendError> {
        let (channel, key) = (T::CHANNEL, folder.key()?);
        let pages = Arc::new(Pages::new(channel, T::LIST, T::ONE));
        let path = format!("/dev/{channel}?key={key}");
        let lock = Arc::new(guard::Lock {
            channel,
            key,
            pages: Arc::clone(&pages),
        });
        let paths = [format!("/dev/{channel}"), format!("/dev/{channel}/{{id}}")];
        let router = Router::new()
            .route(&paths[0], get(list::<T>))
            .route(&paths[1], get(show::<T>))
            .layer(middleware::from_fn_with_state(lock, guard::holders_of_the_key))
            .with_state(Dev { folder, pages });
        Ok(Self { router, path, paths })
    }
}

#[derive(Deserialize)]
struct Asked {
    format: Option<String>,
    /// On a message: `text` or `html`.
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

async fn list<T: Shown>(
    State(dev): State<Dev<T>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    match dev.folder.list().await {
        Ok(messages) if asked.json(&headers) => {
            Json(serde_json::json!({ "items": messages })).into_response()
        }
        Ok(messages) => {
            let summaries = messages.iter().map(T::summary).collect();
            dev.pages.list(summaries, asked.refresh.is_some())
        }
        Err(error) => failed(&error),
    }
}

async fn show<T: Shown>(
    State(dev): State<Dev<T>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let json = asked.json(&headers);
    match dev.folder.get(id).await {
        Ok(Some(stored)) if json => Json(stored).into_response(),
        Ok(Some(stored)) => {
            let as_text = asked.view.as_deref() == Some("text");
            dev.pages.one(&T::page(&stored, as_text))
        }
        Ok(None) if json => guard::not_found(),
        Ok(None) => dev.pages.missing(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &SendError) -> Response {
    tracing::error!(%error, "a folder of messages cannot be shown");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "The folder of messages cannot be read; the log says why.\n",
    )
        .into_response()
}

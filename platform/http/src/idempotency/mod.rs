//! `Idempotency-Key`: a POST that may be sent again without being done again.

mod kept;
mod memory;
mod quota;
mod sender;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::Method;
use http_body::Body as _;
use http_body_util::BodyExt;
use stoa_cache::Cache;
use tracing::Instrument;

use self::{
    kept::{Kept, in_progress},
    memory::{Begun, Memory},
    sender::{Hash, Sender, hash},
};
use crate::{Failure, Result, body, guard::Passed, names::IDEMPOTENCY_KEY};

/// Larger answers are not kept.
const MAX_ANSWER: u64 = 256 * 1024;

/// `Idempotency-Key` on POST: a repeated request gets the first one's answer (`Idempotency-Replayed: true`); with another
/// query or body 422 `idempotency_key_reused`; while the first runs, 409 `idempotency_in_progress`.
///
/// A key belongs to one route and one exact credential: a session, an API key, or an anonymous caller's network and refresh
/// cookie. A replay has to pass the guards that the first request passed. Kept are answers of 2xx and 3xx, where something was
/// done, for 24 hours and within a quota for each credential or network; large ones and streams are not.
///
/// Answers of auth hold tokens; with the local cache they are kept in the memory of this process only. While a shared cache is
/// away, keys hold at the process that saw them.
#[derive(Clone)]
pub struct Idempotency(Arc<Memory>);

impl Idempotency {
    /// Keeps the answers in `cache`.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self(Arc::new(Memory::new(cache)))
    }
}

/// Middleware for `axum::middleware::from_fn_with_state`, inside of what puts [`RequestInfo`](crate::RequestInfo) and the
/// principal into the request, and inside of the body limit.
///
/// A request with a key runs in a task of its own, so that a caller who hangs up and asks again gets the answer of what
/// was begun. Task locals that handlers need are therefore set inside of this middleware.
pub async fn idempotent(State(idempotency): State<Idempotency>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return next.run(request).await;
    }
    match keyed(&idempotency.0, request, next).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn keyed(memory: &Arc<Memory>, request: Request, next: Next) -> Result<Response> {
    let sender = Sender::of(&request)?;
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let bytes = body::read(Request::from_parts(parts.clone(), body)).await?;
    let fingerprint = hex::encode(hash(&[query.as_bytes(), &bytes]));
    let request = Request::from_parts(parts, Body::from(bytes));
    let task = run(Arc::clone(memory), sender, fingerprint, request, next).in_current_span();
    tokio::spawn(task).await.map_err(Failure::internal)?
}

/// Runs the first request with a key and keeps its answer, or forgets the key; a later one gets that answer.
async fn run(
    memory: Arc<Memory>,
    sender: Sender,
    fingerprint: String,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let mark = Kept::running(fingerprint.clone()).encode(&[]);
    if let Begun::Later(kept) = memory.begin(&sender.key, mark).await? {
        let kept = kept.ok_or_else(in_progress)?;
        return Kept::replay(&kept, &fingerprint, &sender);
    }
    let mut unfinished = Unfinished {
        memory: Some(Arc::clone(&memory)),
        key: sender.key,
    };
    let passed = Passed::default();
    request.extensions_mut().insert(passed.clone());
    let response = next.run(request).await;
    if !worth_keeping(&response) {
        unfinished.memory = None;
        forget(&memory, &sender.key).await;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(Failure::internal)?.to_bytes();
    let kept = Kept::answered(
        fingerprint,
        (parts.status, &parts.headers),
        passed.take(),
        &sender,
    );
    unfinished.memory = None;
    match memory.keep(&sender, kept.encode(&bytes)).await {
        Ok(()) => {}
        // The work is done, so its answer is given.
        Err(error) => tracing::warn!(%error, "an answer could not be kept for its Idempotency-Key"),
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Whether something was done, and its answer is small.
fn worth_keeping(response: &Response) -> bool {
    let status = response.status();
    let size = response.body().size_hint().upper();
    (status.is_success() || status.is_redirection()) && size.is_some_and(|size| size <= MAX_ANSWER)
}

/// Forgets the key when dropped, also by a panic in the handler.
struct Unfinished {
    memory: Option<Arc<Memory>>,
    key: Hash,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(memory) = self.memory.take() else { return };
        let key = self.key;
        tokio::spawn(async move { forget(&memory, &key).await });
    }
}

async fn forget(memory: &Memory, key: &Hash) {
    if let Err(error) = memory.forget(key).await {
        tracing::warn!(%error, "an Idempotency-Key could not be forgotten");
    }
}

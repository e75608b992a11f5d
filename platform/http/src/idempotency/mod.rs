//! `Idempotency-Key`: a POST that may be sent again without being done again.

mod memory;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{OriginalUri, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stoa_cache::Cache;
use stoa_kernel::Principal;
use tracing::Instrument;

use self::memory::{Begun, Memory};
use crate::{
    Failure, FailureInfo, Problem, RequestInfo, Result, body, codes,
    failure::FailureFacts,
    names::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED},
};

/// Larger answers are not kept.
const MAX_ANSWER: u64 = 256 * 1024;

/// `Idempotency-Key` on POST: a repeated request gets the first one's answer (`Idempotency-Replayed: true`); with another
/// body 422 `idempotency_key_reused`; while the first runs, 409 `idempotency_in_progress`. Answers of 5xx and 429, large ones
/// and streams are not kept. Keys live for 24 hours, per caller (user or address) and path.
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

/// Middleware for `axum::middleware::from_fn_with_state`, inside of what puts [`RequestInfo`] and the principal into the
/// request, and inside of the body limit.
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
    let key = storage_key(&request)?;
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let bytes = body::read(Request::from_parts(parts.clone(), body), &()).await?;
    let fingerprint = hash(&[query.as_bytes(), &bytes]);

    let mark = Kept {
        fingerprint: fingerprint.clone(),
        answer: None,
    }
    .encode(&[]);
    let request = Request::from_parts(parts, Body::from(bytes));
    let task = run(Arc::clone(memory), key, mark, fingerprint, request, next).in_current_span();
    tokio::spawn(task).await.map_err(Failure::internal)?
}

/// The answer to a request whose key is known.
fn earlier(kept: Option<&Bytes>, fingerprint: &str) -> Result<Response> {
    let in_progress = || {
        Failure::new(codes::IDEMPOTENCY_IN_PROGRESS)
            .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    };
    // Gone since: the first one has just failed. The caller asks again.
    let Some(kept) = kept else {
        return Err(in_progress());
    };
    let (kept, body) = Kept::decode(kept).ok_or_else(|| Failure::internal("a kept answer cannot be read"))?;
    if kept.fingerprint != fingerprint {
        return Err(Failure::new(codes::IDEMPOTENCY_KEY_REUSED));
    }
    kept.answer.ok_or_else(in_progress)?.replay(&body)
}

/// Runs the first request with a key and keeps its answer, or forgets the key; a later one gets that answer.
async fn run(
    memory: Arc<Memory>,
    key: String,
    mark: Bytes,
    fingerprint: String,
    request: Request,
    next: Next,
) -> Result<Response> {
    if let Begun::Later(kept) = memory.begin(&key, mark).await? {
        return earlier(kept.as_ref(), &fingerprint);
    }
    let mut unfinished = Unfinished {
        memory: Some(Arc::clone(&memory)),
        key,
    };
    let response = next.run(request).await;
    let status = response.status();
    let small = response
        .body()
        .size_hint()
        .upper()
        .is_some_and(|size| size <= MAX_ANSWER);
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || !small {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(Failure::internal)?.to_bytes();
    let kept = Kept {
        fingerprint,
        answer: Some(Answer::of(status, &parts.headers)),
    };
    unfinished.memory = None;
    match memory.keep(&unfinished.key, kept.encode(&bytes)).await {
        Ok(()) => {}
        // The work is done, so its answer is given.
        Err(error) => tracing::warn!(%error, "an answer could not be kept for its Idempotency-Key"),
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Forgets the key when dropped, also by a panic in the handler.
struct Unfinished {
    memory: Option<Arc<Memory>>,
    key: String,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(memory) = self.memory.take() else { return };
        let key = std::mem::take(&mut self.key);
        tokio::spawn(async move {
            if let Err(error) = memory.forget(&key).await {
                tracing::warn!(%error, "an Idempotency-Key could not be forgotten");
            }
        });
    }
}

/// Caller, path and key, hashed: the parts are of the caller's making.
fn storage_key(request: &Request) -> Result<String> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY).iter();
    let valid = |key: &&HeaderValue| {
        (1..=255).contains(&key.len()) && key.as_bytes().iter().all(|b| (0x20..0x7f).contains(b))
    };
    let (Some(key), None) = (values.next().filter(valid), values.next()) else {
        let message = "It must be one text of 1 to 255 printable ASCII characters";
        return Err(Failure::invalid(IDEMPOTENCY_KEY, "format", message));
    };
    let extensions = request.extensions();
    let caller = match (
        extensions.get::<Arc<Principal>>(),
        extensions.get::<RequestInfo>(),
    ) {
        (Some(principal), _) => principal.user_id.to_string(),
        (None, Some(info)) => info.address.to_string(),
        (None, None) => {
            return Err(Failure::internal(
                "the edge did not put RequestInfo into the request",
            ));
        }
    };
    let path = extensions
        .get::<OriginalUri>()
        .map_or(request.uri(), |uri| &uri.0)
        .path();
    Ok(format!(
        "idempotency:{}",
        hash(&[caller.as_bytes(), path.as_bytes(), key.as_bytes()])
    ))
}

/// SHA-256 over parts, each with its length, so that no two lists of parts look alike.
fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// What is kept under a key: this as a line of JSON, and the body behind it.
#[derive(Serialize, Deserialize)]
struct Kept {
    fingerprint: String,
    /// None while the first request runs.
    answer: Option<Answer>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    status: u16,
    /// Values in base64, for they need not be text.
    headers: Vec<(String, String)>,
}

impl Kept {
    fn encode(&self, body: &[u8]) -> Bytes {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(body);
        bytes.into()
    }

    fn decode(bytes: &Bytes) -> Option<(Self, Bytes)> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        Some((
            serde_json::from_slice(&bytes[..end]).ok()?,
            bytes.slice(end + 1..),
        ))
    }
}

impl Answer {
    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), STANDARD.encode(value.as_bytes())));
        Self {
            status: status.as_u16(),
            headers: headers.collect(),
        }
    }

    fn replay(self, body: &Bytes) -> Result<Response> {
        let mut response = Response::new(Body::from(body.clone()));
        *response.status_mut() = StatusCode::from_u16(self.status).map_err(Failure::internal)?;
        for (name, value) in self.headers {
            let value = STANDARD.decode(value).map_err(Failure::internal)?;
            let name = HeaderName::try_from(name).map_err(Failure::internal)?;
            response
                .headers_mut()
                .append(name, HeaderValue::try_from(value).map_err(Failure::internal)?);
        }
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        // So that the edge can write this request's id into it.
        if response.status().is_client_error()
            && let Ok(problem) = serde_json::from_slice::<Problem>(body)
        {
            let facts = FailureFacts {
                problem,
                internal: None,
            };
            response.extensions_mut().insert(FailureInfo(Arc::new(facts)));
        }
        Ok(response)
    }
}

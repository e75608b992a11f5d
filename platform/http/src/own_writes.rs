//! Sends the reads of a person to the primary for a while after they have written, for replicas may be behind.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use stoa_cache::Cache;
use stoa_db::reads;
use stoa_kernel::{Clock, Principal};

/// Remembers in the cache when each person last changed something. For [`read_own_writes`].
#[derive(Clone)]
pub struct OwnWrites {
    cache: Cache,
    clock: Clock,
}

impl OwnWrites {
    /// Processes that serve the same people must share the cache.
    #[must_use]
    pub fn new(cache: Cache, clock: Clock) -> Self {
        Self { cache, clock }
    }

    /// Until when the caller may have written: up to that time a replica must have everything. None if that is not known.
    async fn last_write(&self, principal: &Principal) -> Option<Timestamp> {
        let noted = self.cache.get(&key(principal)).await.ok()?;
        let noted = match noted {
            Some(bytes) => micros(i64::from_be_bytes(bytes.as_ref().try_into().ok()?))?,
            None => Timestamp::UNIX_EPOCH,
        };
        // Whoever registers or signs in writes before anybody knows who it is: the session is as old as that.
        let signed_in = match principal.session_id {
            Some(session) => {
                let (seconds, nanos) = session.uuid().get_timestamp()?.to_unix();
                Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()?
            }
            None => Timestamp::UNIX_EPOCH,
        };
        Some(noted.max(signed_in))
    }

    /// Before the caller is told that it was done.
    async fn note(&self, principal: &Principal) {
        let now = self.clock.now().as_microsecond().to_be_bytes();
        let noted = Bytes::copy_from_slice(&now);
        if let Err(error) = self.cache.set(&key(principal), noted, reads::REMEMBER).await {
            tracing::warn!(%error, "that somebody wrote could not be noted; a replica may answer them with what was before");
        }
    }
}

fn key(principal: &Principal) -> String {
    format!("wrote.{}", principal.user_id)
}

fn micros(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

/// A middleware around endpoints whose databases have a replica: what a signed-in caller asks for by GET may be answered by one that
/// has everything the caller wrote. Whatever changes something reads from the primary, and so does whoever is not signed in.
pub async fn read_own_writes(State(writes): State<OwnWrites>, request: Request, next: Next) -> Response {
    let Some(principal) = request.extensions().get::<Arc<Principal>>().cloned() else {
        return next.run(request).await;
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let response = next.run(request).await;
        writes.note(&principal).await;
        return response;
    }
    let Some(since) = writes.last_write(&principal).await else {
        return next.run(request).await;
    };
    let (response, wrote) = reads::scope(since, next.run(request)).await;
    if wrote {
        writes.note(&principal).await;
    }
    response
}

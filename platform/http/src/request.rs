//! What the edge knows of a request.

use std::{net::IpAddr, ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::{Failure, Result};

/// What the edge knows of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct RequestInfo(pub Arc<RequestFacts>);

/// Id, trace and origin of a request.
#[derive(Debug)]
pub struct RequestFacts {
    /// Names the request in answers, logs and audit entries.
    pub request_id: String,
    /// W3C trace context for whatever the request causes.
    pub traceparent: String,
    /// The caller's address, behind trusted proxies the one that they tell.
    pub address: IpAddr,
    /// The caller's program.
    pub user_agent: Option<String>,
    /// Whether it was https at the edge.
    pub secure: bool,
}

impl Deref for RequestInfo {
    type Target = RequestFacts;

    fn deref(&self) -> &RequestFacts {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let info = parts.extensions.get::<Self>().cloned();
        info.ok_or_else(|| Failure::internal("the edge did not put RequestInfo into the request"))
    }
}

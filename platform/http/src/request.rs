//! What the edge knows of a request.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use http::request::Parts;
use stoa_kernel::RequestFacts;

use crate::{Failure, Result};

/// What the edge knows of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct RequestInfo(pub Arc<RequestFacts>);

impl Deref for RequestInfo {
    type Target = RequestFacts;

    fn deref(&self) -> &RequestFacts {
        &self.0
    }
}

impl RequestInfo {
    /// What the edge has put into the request.
    pub(crate) fn of(parts: &Parts) -> Result<Self> {
        let info = parts.extensions.get::<Self>().cloned();
        info.ok_or_else(|| Failure::internal("the edge did not put RequestInfo into the request"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::of(parts)
    }
}

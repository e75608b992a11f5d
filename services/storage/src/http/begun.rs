//! When a request began.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use stoa_kernel::Timestamp;

use crate::ctx::Ctx;

/// The time before the body came, if it is the next of a handler's arguments after the caller. What is revoked later makes nothing by
/// this request.
pub(super) struct Begun(pub(super) Timestamp);

impl FromRequestParts<Ctx> for Begun {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, ctx: &Ctx) -> Result<Self, Infallible> {
        Ok(Self(ctx.clock.now()))
    }
}

//! The endpoints.

mod messages;
mod socket;
mod tickets;

use stoa_http::endpoints;
use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(crate) fn router() -> OpenApiRouter<Ctx> {
    endpoints!(
        socket::connect,
        messages::publish,
        messages::list,
        tickets::create
    )
}

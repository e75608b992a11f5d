//! The endpoints.

mod events;
mod messages;
mod presence;
mod socket;
mod tickets;

use stoa_http::endpoints;
use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(crate) fn router() -> OpenApiRouter<Ctx> {
    endpoints!(
        socket::connect,
        events::follow,
        messages::publish,
        messages::list,
        presence::list,
        tickets::create
    )
}

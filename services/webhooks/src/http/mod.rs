//! The endpoints.

mod access;
mod attempts;
mod endpoints;
mod event_types;
mod input;
mod installation;
mod messages;
mod secrets;
mod sending;
mod view;

use stoa_http::endpoints as routes;
use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(crate) fn router() -> OpenApiRouter<Ctx> {
    routes!(
        event_types::list,
        endpoints::list,
        endpoints::create,
        endpoints::read,
        endpoints::update,
        endpoints::delete,
        installation::list,
        installation::create,
        secrets::read,
        secrets::rotate,
        attempts::list,
        attempts::read,
        messages::list,
        messages::read,
        sending::test,
        sending::retry,
        sending::replay,
    )
}

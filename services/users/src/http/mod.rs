//! The endpoints.

mod activity;
mod avatar;
mod export;
mod me;
mod people;
mod preferences;
mod scopes;
mod text;
mod view;

use stoa_http::endpoints;
use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(crate) fn router() -> OpenApiRouter<Ctx> {
    endpoints!(
        me::read,
        me::update,
        preferences::list,
        preferences::read,
        preferences::set,
        preferences::delete,
        avatar::set,
        avatar::delete,
        avatar::read,
        activity::list,
        export::export,
        people::list,
        people::read
    )
}

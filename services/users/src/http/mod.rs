//! The endpoints.

mod activity;
mod avatar;
mod export;
mod me;
mod people;
mod preferences;
mod scopes;
mod text;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::ctx::Ctx;

pub(crate) fn router() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(me::read, me::update))
        .routes(routes!(preferences::list))
        .routes(routes!(preferences::read, preferences::set, preferences::delete))
        .routes(routes!(avatar::set, avatar::delete))
        .routes(routes!(avatar::read))
        .routes(routes!(activity::list))
        .routes(routes!(export::export))
        .routes(routes!(people::list))
        .routes(routes!(people::read))
}

//! The endpoints.

mod access_keys;
mod answer;
mod begun;
mod buckets;
mod conditions;
mod copying;
mod link_page;
mod links;
mod listing;
mod objects;
mod operations;
mod ranges;
mod renditions;
pub(crate) mod s3;
mod scopes;
mod tus;
mod uploaded;
mod usage;
mod view;

use stoa_http::endpoints;
use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(crate) fn router() -> OpenApiRouter<Ctx> {
    endpoints!(
        buckets::list,
        buckets::create,
        buckets::read,
        buckets::update,
        buckets::delete,
        listing::list,
        listing::history,
        listing::deleted,
        copying::copy,
        copying::relocate,
        copying::restore,
        operations::begin,
        operations::read,
        links::create,
        links::list,
        links::revoke,
        links::read,
        links::unlock,
        links::put,
        usage::read,
        tus::options,
        tus::create,
        tus::upload_options,
        tus::look,
        tus::append,
        tus::terminate,
        tus::overridden,
        objects::read,
        objects::put,
        objects::delete,
        access_keys::list,
        access_keys::create,
        access_keys::delete,
    )
    .merge(s3::routes())
}

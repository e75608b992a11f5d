//! The endpoints.

mod callbacks;
mod history;
mod inbox;
mod phone;
mod preferences;
mod push;
mod requests;
mod scopes;
mod suppressions;
mod templates;
mod topics;
mod types;

use stoa_http::endpoints;
use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(crate) fn router() -> OpenApiRouter<Ctx> {
    endpoints!(
        inbox::list,
        inbox::count,
        inbox::update,
        inbox::delete,
        inbox::read_all,
        callbacks::receive,
        requests::send,
        requests::read,
        requests::cancel,
        history::list,
        history::read,
        phone::read,
        phone::set,
        phone::verify,
        phone::delete,
        preferences::read,
        preferences::set,
        push::key,
        push::list,
        push::subscribe,
        push::delete,
        suppressions::list,
        suppressions::release,
        templates::list,
        templates::read,
        templates::versions,
        templates::write,
        templates::withdraw,
        templates::roll_back,
        templates::preview,
        topics::list,
        topics::follow,
        topics::unfollow,
        types::list
    )
    .merge(crate::pages::routes())
}

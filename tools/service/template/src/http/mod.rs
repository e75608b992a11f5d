//! The endpoints.

mod items;

use stoa_http::endpoints;
use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(crate) fn router() -> OpenApiRouter<Ctx> {
    endpoints!(items::list, items::create)
}

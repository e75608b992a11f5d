//! Stand-in.

use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(crate) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
}

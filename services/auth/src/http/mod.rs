//! Endpoints: one, or one tight group, a file.

mod account;
mod admin_users;
mod api_keys;
mod audit;
mod cookies;
mod explain;
mod export;
mod grants;
mod jwks;
mod login;
mod logout;
mod me;
mod organizations;
mod password;
mod refresh;
mod register;
mod roles;
mod sessions;
mod signed_in;
mod totp;
mod verify_email;

use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

/// All endpoints.
pub(crate) fn router() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .merge(register::routes())
        .merge(login::routes())
        .merge(refresh::routes())
        .merge(logout::routes())
        .merge(sessions::routes())
        .merge(password::routes())
        .merge(verify_email::routes())
        .merge(me::routes())
        .merge(jwks::routes())
        .merge(export::routes())
        .merge(account::routes())
        .merge(totp::routes())
        .merge(api_keys::routes())
        .merge(roles::routes())
        .merge(grants::routes())
        .merge(explain::routes())
        .merge(audit::routes())
        .merge(admin_users::routes())
        .merge(organizations::routes())
        .merge(crate::pages::routes())
}

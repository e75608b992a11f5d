//! The keys that access tokens are checked with.

use axum::extract::State;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use stoa_http::{Anyone, Json, endpoints};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::ctx::Ctx;

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    endpoints!(read)
}

/// A set of public keys (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthJwks {
    keys: Vec<AuthJwk>,
}

/// A public key (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthJwk {
    #[schema(example = "OKP")]
    kty: &'static str,
    #[schema(example = "Ed25519")]
    crv: &'static str,
    #[schema(example = "EdDSA")]
    alg: &'static str,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    use_: &'static str,
    /// Its name in tokens.
    kid: String,
    /// The key, 32 bytes in URL-safe base64.
    x: String,
}

/// The keys that access tokens are checked with.
///
/// A new key is here a day before it signs. Who meets a name that they do not know asks again.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tags = ["auth"], operation_id = "auth_jwks",
    responses((status = 200, body = AuthJwks))
)]
async fn read(_: Anyone, State(ctx): State<Ctx>) -> ([(HeaderName, HeaderValue); 1], Json<AuthJwks>) {
    let keys = ctx.keys.public().into_iter().map(|key| AuthJwk {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        use_: "sig",
        kid: key.kid,
        x: URL_SAFE_NO_PAD.encode(key.public),
    });
    let caching = HeaderValue::from_static("public, max-age=300, stale-while-revalidate=3600");
    (
        [(header::CACHE_CONTROL, caching)],
        Json(AuthJwks { keys: keys.collect() }),
    )
}

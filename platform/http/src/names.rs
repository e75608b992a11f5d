//! Names of cookies, headers and prefixes that auth and the edge share.

/// Cookie that holds the access token in cookie mode. Over https it has the prefix `__Host-`, as [`CSRF_COOKIE`] has, and
/// [`REFRESH_COOKIE`] `__Secure-`; see [`session_cookie`](crate::session_cookie).
pub const ACCESS_COOKIE: &str = "stoa_access";
/// Cookie that holds the refresh token in cookie mode.
pub const REFRESH_COOKIE: &str = "stoa_refresh";
/// Cookie that holds the CSRF token; readable by scripts of our own pages.
pub const CSRF_COOKIE: &str = "stoa_csrf";
/// Header in which our own pages repeat the CSRF token.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// Header that names a request, in both directions.
pub const REQUEST_ID: &str = "x-request-id";
pub use stoa_kernel::API_KEY_PREFIX;
/// Header for an API key, beside `Authorization: Bearer`.
pub const API_KEY_HEADER: &str = "x-api-key";
/// Header with the caller's own key for a POST that may be repeated.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Header of an answer that was given before.
pub const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";

//! The codes that any service may answer with.

use serde::Serialize;

/// A stable code, its status and its title. A service declares its own by [`codes!`](crate::codes!) in its `error.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Code {
    /// Never changes once published.
    pub code: &'static str,
    /// The HTTP status it is answered with.
    pub status: u16,
    /// The kind of problem in words.
    pub title: &'static str,
}

/// Makes the constants of a crate's codes and the list of them together, so that the list lacks none.
///
/// ```
/// stoa_kernel::codes! {
///     /// The codes that only this service answers with.
///     pub(crate) const CODES;
///
///     /// No room for a further item.
///     ITEMS_FULL = 409 "items_full" "There is no room for a further item";
/// }
/// assert_eq!((CODES, ITEMS_FULL.status), (&[ITEMS_FULL][..], 409));
/// ```
#[macro_export]
macro_rules! codes {
    ($(#[$list_doc:meta])* $vis:vis const $list:ident;
     $($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal;)*) => {
        $($(#[$doc])* $vis const $name: $crate::Code = $crate::Code { code: $code, status: $status, title: $title };)*
        $(#[$list_doc])*
        $vis const $list: &[$crate::Code] = &[$($name),*];
    };
}

codes! {
    /// All of them, in the order of their statuses.
    pub const CODES;

    /// The request is not HTTP, JSON or UTF-8 as it should be.
    MALFORMED = 400 "malformed_request" "The request cannot be read";
    /// No credentials, or none that mean anything.
    UNAUTHENTICATED = 401 "unauthenticated" "Sign in first";
    /// The access token's time is over.
    TOKEN_EXPIRED = 401 "token_expired" "The access token has expired";
    /// The session behind the access token was ended.
    TOKEN_REVOKED = 401 "token_revoked" "The session has ended";
    /// The account's roles have changed since the token was made.
    TOKEN_STALE = 401 "token_stale" "The access token is out of date; refresh it";
    /// The caller is known, and may not.
    FORBIDDEN = 403 "forbidden" "You may not do this";
    /// The caller's role in the organization does not permit it, or they are not a member.
    ORGANIZATION_ROLE_REQUIRED = 403 "organization_role_required" "Your role in the organization does not permit this";
    /// A cookie's unsafe request lacks the header that proves it comes from our own pages.
    CSRF = 403 "csrf_mismatch" "The x-csrf-token header does not match the session";
    /// There is nothing under this address, or nothing that the caller may know of.
    NOT_FOUND = 404 "not_found" "Not found";
    /// The address exists, not so the method.
    METHOD_NOT_ALLOWED = 405 "method_not_allowed" "Method not allowed";
    /// Somebody else changed it at the same time.
    CONFLICT = 409 "conflict" "It was changed by another request";
    /// The first request with this `Idempotency-Key` still runs.
    IDEMPOTENCY_IN_PROGRESS = 409 "idempotency_in_progress" "A request with this Idempotency-Key is still in progress";
    /// `If-Match` names another version.
    PRECONDITION_FAILED = 412 "precondition_failed" "It was changed since you read it";
    /// The body is larger than is taken.
    TOO_LARGE = 413 "too_large" "The request is too large";
    /// The body is of a kind that is not taken.
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported_media_type" "This media type is not accepted";
    /// The input can be read and is wrong.
    INVALID_INPUT = 422 "invalid_input" "The input is not valid";
    /// This `Idempotency-Key` came before with another request.
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency_key_reused" "This Idempotency-Key was used with another request";
    /// More pixels than are accepted.
    IMAGE_TOO_LARGE = 422 "image_too_large" "The image has too many pixels";
    /// Not a whole image of an accepted format.
    IMAGE_UNREADABLE = 422 "image_unreadable" "The image cannot be read";
    /// Slow down.
    RATE_LIMITED = 429 "rate_limited" "Too many requests";
    /// The request's head is larger than is taken.
    HEADER_TOO_LARGE = 431 "header_too_large" "The head of the request is too large";
    /// A fault of ours.
    INTERNAL = 500 "internal" "Something went wrong on our side";
    /// The service behind the gateway gave no usable answer.
    BAD_GATEWAY = 502 "bad_gateway" "The service gave no valid response";
    /// It cannot be done now, but soon.
    UNAVAILABLE = 503 "unavailable" "Try again shortly";
    /// It took too long.
    TIMEOUT = 504 "timeout" "The request took too long";
}

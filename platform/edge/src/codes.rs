//! The codes that only the edge answers with.

stoa_kernel::codes! {
    /// The codes that only the edge answers with.
    pub const CODES;

    /// The address is longer than is taken.
    URI_TOO_LONG = 414 "uri_too_long" "The address of the request is too long";
    /// A browser asks for a page of another origin whether it may call.
    ORIGIN_NOT_ALLOWED = 403 "origin_not_allowed" "Pages of this origin may not call";
    /// The body does not arrive, or arrives too slowly.
    BODY_TOO_SLOW = 408 "body_too_slow" "The body of the request arrives too slowly";
    /// Stands for every status that has no code of its own.
    REFUSED = 400 "refused" "The request was refused";
}

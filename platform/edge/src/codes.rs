//! The codes that only the edge answers with.

use stoa_http::Code;

/// The address is longer than is taken.
pub const URI_TOO_LONG: Code = Code {
    code: "uri_too_long",
    status: 414,
    title: "The address of the request is too long",
};
/// A browser asks for a page of another origin whether it may call.
pub const ORIGIN_NOT_ALLOWED: Code = Code {
    code: "origin_not_allowed",
    status: 403,
    title: "Pages of this origin may not call",
};
/// The body does not arrive, or arrives too slowly.
pub const BODY_TOO_SLOW: Code = Code {
    code: "body_too_slow",
    status: 408,
    title: "The body of the request arrives too slowly",
};
/// Stands for every status that has no code of its own.
pub const REFUSED: Code = Code {
    code: "refused",
    status: 400,
    title: "The request was refused",
};

/// All of them.
pub const CODES: &[Code] = &[URI_TOO_LONG, ORIGIN_NOT_ALLOWED, BODY_TOO_SLOW, REFUSED];

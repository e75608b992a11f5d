//! The codes that only requests to other processes are answered with.

use stoa_http::Code;

/// The service behind this address runs elsewhere, and cannot be reached.
pub const UPSTREAM_UNAVAILABLE: Code = Code {
    code: "upstream_unavailable",
    status: 503,
    title: "The service behind this address cannot be reached",
};
/// The service behind this address runs elsewhere, and did not answer in time.
pub const UPSTREAM_TIMEOUT: Code = Code {
    code: "upstream_timeout",
    status: 504,
    title: "The service behind this address did not answer in time",
};

/// All of them.
pub(crate) const CODES: &[Code] = &[UPSTREAM_UNAVAILABLE, UPSTREAM_TIMEOUT];

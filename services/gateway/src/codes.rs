//! The codes that only requests to other processes are answered with.

stoa_kernel::codes! {
    /// The codes that only requests to other processes are answered with.
    pub const CODES;

    /// The service behind this address runs elsewhere, and cannot be reached.
    UPSTREAM_UNAVAILABLE = 503 "upstream_unavailable" "The service behind this address cannot be reached";
    /// The service behind this address runs elsewhere, and did not answer in time.
    UPSTREAM_TIMEOUT = 504 "upstream_timeout" "The service behind this address did not answer in time";
}

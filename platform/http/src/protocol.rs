//! Routes that speak a protocol of their own beside the API.

use axum::response::Response;
use http::{Method, Uri};

use crate::Problem;

/// Routes of a protocol that others have defined, such as S3. The description of the API does not list them; their requests pass as
/// they are. A body of PUT is stored while it arrives.
#[derive(Clone, Copy)]
pub struct Protocol {
    /// Its paths, as axum writes them.
    pub paths: &'static [&'static str],
    /// How it says what the edge refuses.
    pub refuse: fn(&RefusedRequest<'_>) -> Response,
}

/// A request that was refused, and why.
#[derive(Debug)]
pub struct RefusedRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Names it in logs.
    pub request_id: &'a str,
    /// Why.
    pub problem: &'a Problem,
}

impl std::fmt::Debug for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Protocol")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

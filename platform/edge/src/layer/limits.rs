//! How large a request's head may be, and how often one may ask.

use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};
use stoa_cache::{LimitKey, Limiter, Verdict};
use stoa_http::{Failure, Result, codes, whole_seconds};

use crate::{EdgeConfig, codes::URI_TOO_LONG};

/// Longest path and query, in bytes.
const MAX_URI: usize = 8 * 1024;
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Refuses a head that is larger than is taken.
///
/// # Errors
/// 414 or 431.
pub(super) fn check_head(parts: &Parts, config: &EdgeConfig) -> Result<()> {
    let uri = parts.uri.path_and_query().map_or(0, |uri| uri.as_str().len());
    if uri > MAX_URI {
        return Err(Failure::new(URI_TOO_LONG).detail(format!("At most {MAX_URI} bytes are taken.")));
    }
    // As HTTP/1 writes it: ": " and the end of the line.
    let head: usize = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if head + uri > config.max_header as usize {
        let detail = format!("At most {} bytes are taken.", config.max_header);
        return Err(Failure::new(codes::HEADER_TOO_LARGE).detail(detail));
    }
    Ok(())
}

/// The tightest of the limits that a request was counted against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tightest(Option<Verdict>);

impl Tightest {
    /// Counts the request against further limits, all at once.
    ///
    /// # Errors
    /// 429 when an allowance is used up.
    pub(super) async fn take(&mut self, limits: &[(&Limiter, LimitKey)]) -> Result<()> {
        let Some(verdict) = Limiter::check_all(limits).await else {
            return Ok(());
        };
        if !verdict.allowed {
            self.0 = Some(verdict);
            return Err(Failure::new(codes::RATE_LIMITED).retry_after(verdict.retry_after));
        }
        self.0 = Some(self.0.map_or(verdict, |tightest| tightest.tighter(verdict)));
        Ok(())
    }

    /// Tells the caller: allowance, what is left of it, and in how many seconds it is whole again.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        let Some(verdict) = self.0 else { return };
        headers.insert(LIMIT, HeaderValue::from(verdict.limit));
        headers.insert(REMAINING, HeaderValue::from(verdict.remaining));
        headers.insert(RESET, HeaderValue::from(whole_seconds(verdict.reset)));
    }
}

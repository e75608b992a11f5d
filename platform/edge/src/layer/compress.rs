//! Smaller answers, where it is worth it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::{
    Level,
    tokio::write::{BrotliEncoder, GzipEncoder},
};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::{Body as _, Frame, SizeHint};
use tokio::io::AsyncWrite;

/// What is compressed between two looks at the caller.
const STEP: usize = 32 * 1024;
/// Quick, and nearly as small as slower ones.
const BROTLI_QUALITY: i32 = 4;
const GZIP_QUALITY: i32 = 5;

/// An encoding that a caller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// The best that the caller takes: the one it prefers, else the smaller. None where it takes none, or prefers the answer as it is.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut asked = Qualities::default();
        let lines = headers
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|line| line.to_str().ok());
        for entry in lines.flat_map(|line| line.split(',')) {
            asked.note(entry);
        }
        let of = |named: Option<f32>| named.or(asked.others).unwrap_or(0.0);
        let (brotli, gzip) = (of(asked.brotli), of(asked.gzip));
        let (best, quality) = if brotli >= gzip {
            (Self::Brotli, brotli)
        } else {
            (Self::Gzip, gzip)
        };
        // As it is, an answer is welcome also where that is not said, and last then.
        (quality > 0.0 && quality >= asked.identity.unwrap_or(0.0)).then_some(best)
    }

    const fn name(self) -> HeaderValue {
        match self {
            Self::Brotli => HeaderValue::from_static("br"),
            Self::Gzip => HeaderValue::from_static("gzip"),
        }
    }
}

/// How much a caller likes each encoding, 0 to 1; none where it does not say.
#[derive(Default)]
struct Qualities {
    brotli: Option<f32>,
    gzip: Option<f32>,
    identity: Option<f32>,
    others: Option<f32>,
}

impl Qualities {
    /// Reads an entry such as `gzip;q=0.5`. Names are of any case.
    fn note(&mut self, entry: &str) {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let name = name.trim();
        let named = |known: &str| name.eq_ignore_ascii_case(known);
        let place = if named("br") {
            &mut self.brotli
        } else if named("gzip") || named("x-gzip") {
            &mut self.gzip
        } else if named("identity") {
            &mut self.identity
        } else if named("*") {
            &mut self.others
        } else {
            return;
        };
        *place = Some(quality(parameters));
    }
}

/// 1 where none is given, 0 for one that cannot be read.
fn quality(parameters: &str) -> f32 {
    let mut pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let given = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    given.map_or(1.0, |(_, value)| {
        let value = value.trim().parse().ok();
        value.filter(|value| (0.0..=1.0).contains(value)).unwrap_or(0.0)
    })
}

/// Whether the answer gets smaller by it: its size is known and not small, and its media type is text of some kind. Of an answer to
/// HEAD that is told as of the one to GET.
fn worthwhile(response: &Response, method: &Method, from: u64) -> bool {
    let headers = response.headers();
    let announced = || headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    let size = match response.body().size_hint().exact() {
        Some(0) if *method == Method::HEAD => announced(),
        size => size,
    };
    if size.is_none_or(|size| size < from.max(1)) {
        return false;
    }
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    compressible(media_type)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !headers.contains_key(header::CONTENT_RANGE)
        && !is_to_stay(headers)
}

/// Whether the answer is to leave as it is: `no-transform` holds for all who pass it on.
fn is_to_stay(headers: &HeaderMap) -> bool {
    let lines = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
}

/// The answer as the caller takes it: smaller, if that is worth it. HEAD and 304 tell what GET and 200 would.
pub(super) fn fit(
    mut response: Response,
    method: &Method,
    encoding: Option<Encoding>,
    from: u64,
) -> Response {
    if response.status() == StatusCode::NOT_MODIFIED {
        vary(response.headers_mut());
        if encoding.is_some() {
            weaken(response.headers_mut());
        }
        return response;
    }
    if !worthwhile(&response, method, from) {
        return response;
    }
    vary(response.headers_mut());
    match encoding {
        Some(encoding) => compress(response, method, encoding),
        None => response,
    }
}

fn compressible(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") && essence != "text/event-stream"
        || essence.ends_with("json")
        || essence.ends_with("xml")
        || matches!(
            essence,
            "application/javascript" | "application/wasm" | "application/yaml"
        )
}

/// Says that what is answered depends on what the caller takes.
fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
}

/// Makes the entity tag a weak one: it names the same thing, in other bytes. `If-Match` takes it nonetheless.
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers
        .get(header::ETAG)
        .filter(|tag| !tag.as_bytes().starts_with(b"W/"))
    else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

/// The same answer, encoded.
fn compress(response: Response, method: &Method, encoding: Encoding) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::ACCEPT_RANGES);
    parts.headers.insert(header::CONTENT_ENCODING, encoding.name());
    weaken(&mut parts.headers);
    let body = if *method == Method::HEAD {
        // Its length is not known before it is encoded, so HEAD tells none, as GET does.
        Body::empty()
    } else {
        Body::new(Compressed::new(body, encoding))
    };
    Response::from_parts(parts, body)
}

/// A body on its way through an encoder that writes into memory.
struct Compressed {
    source: Body,
    /// Taken from the source and not yet encoded.
    pending: Bytes,
    encoder: Encoder,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Ending,
    Done,
}

enum Encoder {
    Brotli(Box<BrotliEncoder<Vec<u8>>>),
    Gzip(Box<GzipEncoder<Vec<u8>>>),
}

impl Encoder {
    fn writer(&mut self) -> Pin<&mut dyn AsyncWrite> {
        match self {
            Self::Brotli(encoder) => Pin::<&mut BrotliEncoder<_>>::new(encoder),
            Self::Gzip(encoder) => Pin::<&mut GzipEncoder<_>>::new(encoder),
        }
    }

    /// What has been encoded so far, if anything.
    fn take(&mut self) -> Option<Bytes> {
        let out = match self {
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        };
        (!out.is_empty()).then(|| std::mem::take(out).into())
    }
}

impl Compressed {
    fn new(source: Body, encoding: Encoding) -> Self {
        let out = Vec::new();
        let encoder = match encoding {
            Encoding::Brotli => Encoder::Brotli(Box::new(BrotliEncoder::with_quality(
                out,
                Level::Precise(BROTLI_QUALITY),
            ))),
            Encoding::Gzip => Encoder::Gzip(Box::new(GzipEncoder::with_quality(
                out,
                Level::Precise(GZIP_QUALITY),
            ))),
        };
        Self {
            source,
            pending: Bytes::new(),
            encoder,
            state: State::Reading,
        }
    }

    /// Takes in one step of the body, or ends the encoding.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        if self.state == State::Ending {
            ready!(self.encoder.writer().poll_shutdown(cx)).map_err(axum::Error::new)?;
            self.state = State::Done;
        } else if self.pending.is_empty() {
            match ready!(Pin::new(&mut self.source).poll_frame(cx)?) {
                Some(frame) => self.pending = frame.into_data().unwrap_or_default(),
                None => self.state = State::Ending,
            }
        } else {
            let step = &self.pending[..self.pending.len().min(STEP)];
            let taken = ready!(self.encoder.writer().poll_write(cx, step)).map_err(axum::Error::new)?;
            self.pending = self.pending.slice(taken..);
        }
        Poll::Ready(Ok(()))
    }
}

impl http_body::Body for Compressed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        loop {
            if let Some(out) = this.encoder.take() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
            if this.state == State::Done {
                return Poll::Ready(None);
            }
            ready!(this.advance(cx)?);
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &str) -> Option<Encoding> {
        let headers =
            HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap())]);
        Encoding::accepted(&headers)
    }

    #[test]
    fn the_caller_chooses_and_the_smaller_one_wins_a_tie() {
        assert_eq!(accepted("gzip, deflate, br"), Some(Encoding::Brotli));
        assert_eq!(accepted("gzip;q=1.0, br;q=0.5"), Some(Encoding::Gzip));
        assert_eq!(accepted("gzip"), Some(Encoding::Gzip));
        assert_eq!(accepted("*"), Some(Encoding::Brotli));
        assert_eq!(accepted("br;q=0, *"), Some(Encoding::Gzip));
        assert_eq!(accepted("GZIP"), Some(Encoding::Gzip));
        assert_eq!(accepted("X-Gzip ; Q = 0.5 , Br;q=0.2"), Some(Encoding::Gzip));
        assert_eq!(accepted("gzip;level=9;q=0.1"), Some(Encoding::Gzip));
        assert_eq!(accepted("identity;q=0.5, gzip;q=0.8"), Some(Encoding::Gzip));
        assert_eq!(accepted("gzip, identity"), Some(Encoding::Gzip));
        assert_eq!(accepted("identity;q=0, gzip;q=0.001"), Some(Encoding::Gzip));
        for none in [
            "",
            "identity",
            "deflate, zstd",
            "br;q=0, gzip;q=0",
            "br;q=wrong",
            "gzip;Q=0",
            "GZIP;q=0.000",
            "gzip; q=0",
            "gzip;q=inf",
            "*;q=0",
            "identity, gzip;q=0.5",
            "identity;q=0.9, *;q=0.1",
        ] {
            assert_eq!(accepted(none), None, "{none}");
        }
    }

    #[test]
    fn only_text_is_compressible() {
        for yes in [
            "application/json",
            "text/html; charset=utf-8",
            "image/svg+xml",
            "application/problem+json",
        ] {
            assert!(compressible(yes), "{yes}");
        }
        for no in [
            "",
            "image/png",
            "application/octet-stream",
            "text/event-stream",
            "application/zip",
        ] {
            assert!(!compressible(no), "{no}");
        }
    }
}

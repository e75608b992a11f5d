//! The body of a request: what its signature says of it, and its bytes as they come out of what it is wrapped in.

use std::sync::Arc;

use axum::{body::Body, http::header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use md5::Md5;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{
    checksum::{self, Running},
    chunked::Decoder,
    error::{Result, S3Error},
    request::S3Request,
    signature::{Scope, SigningKey, digest_of, hash},
};
use crate::{error::Error, ops::intake};

/// Largest document that is read, in bytes: a thousand of the longest keys fit.
const DOCUMENT: usize = 4 * 1024 * 1024;

/// What the signature says of the body.
pub(super) enum Payload {
    /// Nothing.
    Unsigned,
    /// Its SHA-256.
    Whole([u8; 32]),
    /// It comes in chunks that are signed each, or not, and a checksum may follow them.
    Chunked {
        signer: Option<ChunkSigner>,
        has_trailer: bool,
    },
}

impl Payload {
    pub(super) fn parse(text: &str, signer: ChunkSigner) -> Result<Self> {
        let chunked = |signer, has_trailer| Self::Chunked { signer, has_trailer };
        Ok(match text {
            "UNSIGNED-PAYLOAD" => Self::Unsigned,
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => chunked(Some(signer), false),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => chunked(Some(signer), true),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => chunked(None, true),
            text if text.starts_with("STREAMING-") => return Err(S3Error::not_implemented(text)),
            text => {
                let digest = digest_of(text);
                Self::Whole(digest.ok_or_else(|| S3Error::invalid("x-amz-content-sha256 is no SHA-256"))?)
            }
        })
    }
}

/// Signs one chunk after the other; each signature is part of the next one.
pub(super) struct ChunkSigner {
    key: SigningKey,
    time: String,
    scope: String,
    previous: [u8; 32],
}

impl ChunkSigner {
    pub(super) fn new(key: SigningKey, time: String, scope: Scope, seed: [u8; 32]) -> Self {
        Self {
            key,
            time,
            scope: scope.text(),
            previous: seed,
        }
    }

    /// The signature of a chunk with this SHA-256.
    pub(super) fn chunk(&mut self, digest: &[u8; 32]) -> [u8; 32] {
        let rest = format!("{}\n{}", hash(b""), hex::encode(digest));
        self.next("AWS4-HMAC-SHA256-PAYLOAD", &rest)
    }

    /// The signature of the lines after the last chunk.
    pub(super) fn trailer(&mut self, lines: &str) -> [u8; 32] {
        self.next("AWS4-HMAC-SHA256-TRAILER", &hash(lines.as_bytes()))
    }

    fn next(&mut self, what: &str, rest: &str) -> [u8; 32] {
        let (time, scope, previous) = (&self.time, &self.scope, hex::encode(self.previous));
        let text = format!("{what}\n{time}\n{scope}\n{previous}\n{rest}");
        self.previous = self.key.sign(&text);
        self.previous
    }
}

/// Why no more of a body is taken: what takes it learns only that it broke off.
#[derive(Clone, Default)]
pub(super) struct Refusal(Arc<Mutex<Option<S3Error>>>);

impl Refusal {
    /// What the caller is answered when a use case failed.
    pub(super) fn explain(&self, error: Error) -> S3Error {
        let refused = self.0.lock().take();
        match (refused, error) {
            (Some(refused), Error::BrokenOff(_)) => refused,
            (_, error) => error.into(),
        }
    }
}

/// A body as it is taken.
pub(super) struct Incoming {
    pub(super) body: intake::Body,
    /// Its length, where that is known.
    pub(super) length: Option<i64>,
    /// Checksums that it must have, and the headers that name them.
    pub(super) md5: Option<([u8; 16], &'static str)>,
    pub(super) sha256: Option<([u8; 32], &'static str)>,
    pub(super) refusal: Refusal,
}

/// The body of the request, out of what it is wrapped in, and held to its checksums.
pub(super) fn open(request: &S3Request, body: Body, payload: Payload) -> Result<Incoming> {
    let mut announced = checksum::in_header(request)?;
    let (is_chunked, sha256) = match &payload {
        Payload::Chunked { .. } => (true, None),
        Payload::Whole(digest) => (false, Some((*digest, "x-amz-content-sha256"))),
        Payload::Unsigned => (false, None),
    };
    let length = if is_chunked {
        "x-amz-decoded-content-length"
    } else {
        header::CONTENT_LENGTH.as_str()
    };
    let length = match request.header(length)? {
        None if is_chunked => {
            return Err(S3Error::new(
                411,
                "MissingContentLength",
                format!("{length} is missing"),
            ));
        }
        None => None,
        Some(text) => {
            let number = text.parse().ok().filter(|number: &i64| *number >= 0);
            Some(number.ok_or_else(|| S3Error::invalid(format!("{length} is not a number")))?)
        }
    };
    let mut trailer = None;
    if let Payload::Chunked {
        has_trailer: true, ..
    } = &payload
        && let Some(name) = request.header("x-amz-trailer")?
    {
        let name = name.trim().to_ascii_lowercase();
        announced = Some((name.clone(), String::new()));
        trailer = Some(name);
    }
    let running = announced
        .as_ref()
        .map(|(name, _)| Running::of(name))
        .transpose()?;
    let decoder = Decoder::new(
        body.into_data_stream().map_err(Into::into).boxed(),
        payload,
        (announced, trailer),
        running,
    );
    let refusal = Refusal::default();
    let told = refusal.clone();
    let stream = stream::try_unfold(decoder, move |mut decoder| {
        let told = told.clone();
        async move {
            match decoder.next().await {
                Ok(piece) => Ok(piece.map(|piece| (piece, decoder))),
                Err(error) => {
                    *told.0.lock() = Some(error);
                    Err("the body is not as announced".into())
                }
            }
        }
    });
    Ok(Incoming {
        body: stream.boxed(),
        length,
        md5: md5(request)?.map(|md5| (md5, "content-md5")),
        sha256,
        refusal,
    })
}

fn md5(request: &S3Request) -> Result<Option<[u8; 16]>> {
    let Some(text) = request.header("content-md5")? else {
        return Ok(None);
    };
    let digest = STANDARD.decode(text.trim()).ok();
    let digest = digest.and_then(|bytes| bytes.try_into().ok());
    digest
        .map(Some)
        .ok_or_else(|| S3Error::new(400, "InvalidDigest", "Content-MD5 is no MD5 in Base64"))
}

/// The whole of a small body, such as XML.
///
/// # Errors
/// When it is large, or not what its checksums say.
pub(super) async fn document(request: &S3Request, body: Body, payload: Payload) -> Result<Bytes> {
    let mut incoming = open(request, body, payload)?;
    let mut whole = Vec::new();
    while let Some(piece) = incoming.body.next().await {
        let piece = piece.map_err(|error| incoming.refusal.explain(Error::BrokenOff(error.to_string())))?;
        if whole.len() + piece.len() > DOCUMENT {
            return Err(S3Error::new(
                400,
                "MaxMessageLengthExceeded",
                "The body is too large",
            ));
        }
        whole.extend_from_slice(&piece);
    }
    if let Some((md5, header)) = incoming.md5
        && <[u8; 16]>::from(Md5::digest(&whole)) != md5
    {
        return Err(Error::Digest(header).into());
    }
    if let Some((sha256, header)) = incoming.sha256
        && <[u8; 32]>::from(Sha256::digest(&whole)) != sha256
    {
        return Err(Error::Digest(header).into());
    }
    Ok(whole.into())
}

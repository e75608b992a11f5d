//! `aws-chunked`: bodies in chunks with a signature each, and a checksum after the last. What is not wrapped passes as it is.

use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::{
    checksum::{Running, mismatch},
    error::{Result, S3Error},
    payload::{ChunkSigner, Payload},
    signature::{digest_of, is_same},
};
use crate::ops::intake::Body;

/// Longest line between chunks, in bytes.
const LINE: usize = 1024;
/// Lines after the last chunk.
const TRAILERS: usize = 8;

/// Takes a body out of its chunks as it comes. Nothing is kept but what has come last.
pub(super) struct Decoder {
    body: Body,
    buffer: BytesMut,
    state: State,
    signer: Option<ChunkSigner>,
    /// Whether lines follow the last chunk.
    has_trailer: bool,
    /// The checksum that the whole must have: the name and, unless it is a trailer, the value.
    announced: Option<(String, String)>,
    trailer: Option<String>,
    running: Option<Running>,
}

enum State {
    /// It is not wrapped.
    Plain,
    /// The line before a chunk comes next.
    Head,
    /// So much of a chunk is missing.
    Chunk {
        left: u64,
        hash: Sha256,
        signature: Option<[u8; 32]>,
    },
    /// The end of a chunk comes next.
    After,
    /// The lines after the last chunk come next.
    Trailer,
    Done,
}

impl Decoder {
    pub(super) fn new(
        body: Body,
        payload: Payload,
        (announced, trailer): (Option<(String, String)>, Option<String>),
        running: Option<Running>,
    ) -> Self {
        let (state, signer, has_trailer) = match payload {
            Payload::Chunked { signer, has_trailer } => (State::Head, signer, has_trailer),
            Payload::Unsigned | Payload::Whole(_) => (State::Plain, None, false),
        };
        Self {
            body,
            buffer: BytesMut::new(),
            state,
            signer,
            has_trailer,
            announced,
            trailer,
            running,
        }
    }

    /// The next bytes; none at the end, once all that was announced holds.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Plain => {
                    let piece = self.body.next().await.transpose();
                    let piece = piece.map_err(|_| ended_early())?;
                    let Some(piece) = piece else {
                        self.hold_to_checksum()?;
                        self.state = State::Done;
                        return Ok(None);
                    };
                    self.count(&piece);
                    return Ok(Some(piece));
                }
                State::Head => self.head().await?,
                State::Chunk { .. } => {
                    if let Some(piece) = self.chunk().await?.filter(|piece| !piece.is_empty()) {
                        self.count(&piece);
                        return Ok(Some(piece));
                    }
                }
                State::After => {
                    if !self.line().await?.is_empty() {
                        return Err(malformed());
                    }
                    self.state = State::Head;
                }
                State::Trailer => self.trailers().await?,
                State::Done => return Ok(None),
            }
        }
    }

    fn count(&mut self, piece: &Bytes) {
        if let Some(running) = &mut self.running {
            running.update(piece);
        }
    }

    /// `<size in hexadecimal>[;chunk-signature=<signature>]`
    async fn head(&mut self) -> Result<()> {
        let line = self.line().await?;
        let (size, extension) = line.split_once(';').unwrap_or((&line, ""));
        let is_number = !size.is_empty() && size.bytes().all(|b| b.is_ascii_hexdigit());
        let left = u64::from_str_radix(size, 16).ok().filter(|_| is_number);
        let left = left.ok_or_else(malformed)?;
        let signature = match &self.signer {
            None => None,
            Some(_) => {
                let text = extension.strip_prefix("chunk-signature=");
                Some(text.and_then(digest_of).ok_or_else(malformed)?)
            }
        };
        self.state = if left == 0 {
            self.verify(&Sha256::digest(b"").into(), signature)?;
            State::Trailer
        } else {
            State::Chunk {
                left,
                hash: Sha256::new(),
                signature,
            }
        };
        Ok(())
    }

    /// What has come of the chunk; none once it is whole and its signature holds.
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if self.buffer.is_empty() && matches!(self.state, State::Chunk { left: 1.., .. }) {
            self.fill().await?;
        }
        let State::Chunk {
            left,
            hash,
            signature,
        } = &mut self.state
        else {
            return Ok(None);
        };
        if *left == 0 {
            let (digest, signature) = (std::mem::take(hash).finalize().into(), *signature);
            self.verify(&digest, signature)?;
            self.state = State::After;
            return Ok(None);
        }
        let most = usize::try_from(*left).unwrap_or(usize::MAX);
        let piece = self.buffer.split_to(most.min(self.buffer.len())).freeze();
        *left -= piece.len() as u64;
        if signature.is_some() {
            hash.update(&piece);
        }
        Ok(Some(piece))
    }

    fn verify(&mut self, digest: &[u8; 32], signature: Option<[u8; 32]>) -> Result<()> {
        let (Some(signer), Some(signature)) = (&mut self.signer, signature) else {
            return Ok(());
        };
        if is_same(&signer.chunk(digest), &signature) {
            return Ok(());
        }
        Err(bad_signature())
    }

    /// What follows the last chunk: the announced checksum, and the signature of that.
    async fn trailers(&mut self) -> Result<()> {
        let (mut lines, mut signature) = (String::new(), None);
        for count in 0.. {
            let line = self.line().await?;
            if line.is_empty() {
                // Some clients end the chunks by an empty line before what they announced.
                if count == 0 && self.trailer.is_some() {
                    continue;
                }
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(malformed_trailer)?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if !self.has_trailer || count == TRAILERS {
                return Err(malformed_trailer());
            }
            if name == "x-amz-trailer-signature" {
                signature = digest_of(value);
            } else if self.trailer.as_ref() == Some(&name) {
                self.announced = Some((name.clone(), value.to_owned()));
                lines.push_str(&format!("{name}:{value}\n"));
            } else {
                return Err(malformed_trailer());
            }
        }
        if self.has_trailer
            && let Some(signer) = &mut self.signer
        {
            let expected = signer.trailer(&lines);
            if !signature.is_some_and(|signature| is_same(&expected, &signature)) {
                return Err(bad_signature());
            }
        }
        // An announced trailer that never came has no value.
        if self.trailer.is_some() && lines.is_empty() {
            return Err(malformed_trailer());
        }
        self.hold_to_checksum()?;
        if !self.buffer.is_empty() || self.body.next().await.is_some() {
            return Err(malformed());
        }
        self.state = State::Done;
        Ok(())
    }

    fn hold_to_checksum(&mut self) -> Result<()> {
        let (Some(running), Some((name, value))) = (self.running.take(), &self.announced) else {
            return Ok(());
        };
        if running.finish() == *value {
            return Ok(());
        }
        Err(mismatch(name))
    }

    /// A line without its end. Where the body ends there is an empty one.
    async fn line(&mut self) -> Result<String> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.buffer[seen..].windows(2).position(|two| two == b"\r\n") {
                let line = self.buffer.split_to(seen + at);
                self.buffer.advance(2);
                return String::from_utf8(line.to_vec()).map_err(|_| malformed());
            }
            // The first half of the end may be there.
            seen = self.buffer.len().saturating_sub(1);
            if self.buffer.len() > LINE {
                return Err(malformed());
            }
            // Some clients leave out the empty line at the very end.
            if matches!(self.state, State::Trailer) && self.buffer.is_empty() {
                match self.body.next().await {
                    None => return Ok(String::new()),
                    Some(piece) => self.buffer.extend_from_slice(&piece.map_err(|_| ended_early())?),
                }
                continue;
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<()> {
        match self.body.next().await {
            Some(Ok(piece)) if self.buffer.is_empty() => {
                self.buffer = piece.into();
                Ok(())
            }
            Some(Ok(piece)) => {
                self.buffer.extend_from_slice(&piece);
                Ok(())
            }
            Some(Err(_)) | None => Err(ended_early()),
        }
    }
}

fn malformed() -> S3Error {
    S3Error::new(
        400,
        "IncompleteBody",
        "The body is not in chunks as aws-chunked defines them",
    )
}

fn malformed_trailer() -> S3Error {
    S3Error::new(
        400,
        "MalformedTrailerError",
        "What follows the last chunk is not what x-amz-trailer announces",
    )
}

fn bad_signature() -> S3Error {
    S3Error::new(
        403,
        "SignatureDoesNotMatch",
        "The signature of a chunk is not that of its bytes",
    )
}

fn ended_early() -> S3Error {
    S3Error::new(400, "IncompleteBody", "The body ended early")
}

#[cfg(test)]
mod tests;

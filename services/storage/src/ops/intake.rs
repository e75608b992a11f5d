//! A body on its way into the object store: counted, hashed and looked at while it passes.

use std::error::Error as StdError;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use md5::Md5;
use sha2::{Digest, Sha256};
use stoa_kernel::{Id, Owner};
use stoa_objects::ObjectError;

use super::{
    pending::{Pending, Room},
    uploads::digests::Digests,
};
use crate::{ctx::Ctx, error::Error, kind, ops::get::key};

/// The bytes of an upload as they come.
pub(crate) type Body = BoxStream<'static, Result<Bytes, Box<dyn StdError + Send + Sync>>>;

/// What is known of an upload before it comes, and what it has to be like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// Its length in bytes, where it is known.
    pub(crate) length: Option<i64>,
    /// Most bytes that are taken.
    pub(crate) max: i64,
    /// What the uploader says it is.
    pub(crate) media_type: Option<String>,
    /// Patterns of media types that are taken; none for any.
    pub(crate) allowed_types: Vec<String>,
    /// Whose room it takes up.
    pub(crate) room: Room,
    /// Checksums of all that came before it, which go on with it.
    pub(crate) digests: Option<Digests>,
    /// Its checksums, and the headers that name them.
    pub(crate) md5: Option<([u8; 16], &'static str)>,
    pub(crate) sha256: Option<([u8; 32], &'static str)>,
}

/// Stored bytes that no version has yet.
pub(crate) struct Stored {
    pub(crate) pending: Pending,
    pub(crate) room: Room,
    pub(crate) size: i64,
    pub(crate) media_type: String,
    /// What its first bytes are known to be.
    pub(crate) sniffed: Option<&'static str>,
    pub(crate) md5: [u8; 16],
    pub(crate) sha256: [u8; 32],
    /// What the digests that were expected have become.
    pub(crate) digests: Option<Digests>,
}

/// Stores the body for an object of the owner.
///
/// # Errors
/// When there is no room, it is not as expected, breaks off, or cannot be stored; then nothing of it is kept.
pub(crate) async fn store(ctx: &Ctx, owner: Owner, expected: Expected, body: Body) -> Result<Stored, Error> {
    if expected.length.is_some_and(|length| length > expected.max) {
        return Err(Error::TooLarge(expected.max));
    }
    let pending = Pending::begin(ctx, owner, expected.room, expected.length.unwrap_or(0)).await?;
    let key = key(Id::from_uuid(pending.id.uuid()));
    let mut intake = Intake {
        body,
        expected,
        pending,
        size: 0,
        head: BytesMut::new(),
        media_type: None,
        sniffed: None,
        md5: Md5::new(),
        sha256: Sha256::new(),
        refused: None,
    };
    let pieces = stream::try_unfold(&mut intake, |intake| async move {
        Ok::<_, Broken>(intake.next().await?.map(|piece| (piece, intake)))
    });
    let kept = ctx.objects.put_stream(&key, pieces.map_err(Box::new)).await;
    let refused = match (kept, intake.refused.take()) {
        (Ok(_), None) => return Ok(intake.finish()),
        (_, Some(refused)) => refused,
        (Err(ObjectError::Body(error)), None) => Error::BrokenOff(error.to_string()),
        (Err(error), None) => error.into(),
    };
    intake.pending.abandon().await;
    Err(refused)
}

struct Intake {
    body: Body,
    expected: Expected,
    pending: Pending,
    size: i64,
    /// The first bytes, until it is known what they are.
    head: BytesMut,
    media_type: Option<String>,
    sniffed: Option<&'static str>,
    md5: Md5,
    sha256: Sha256,
    /// Why no more is taken.
    refused: Option<Error>,
}

/// The body goes no further; why stands in the intake.
#[derive(Debug, thiserror::Error)]
#[error("the body is not taken")]
struct Broken;

impl Intake {
    async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        match self.advance().await {
            Ok(piece) => Ok(piece),
            Err(error) => {
                self.refused = Some(error);
                Err(Broken)
            }
        }
    }

    async fn advance(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(piece) = self.body.next().await else {
            self.end()?;
            return Ok(None);
        };
        let piece = piece.map_err(|error| Error::BrokenOff(error.to_string()))?;
        let length = i64::try_from(piece.len()).unwrap_or(i64::MAX);
        self.size = self.size.saturating_add(length);
        if self.size > self.expected.max {
            return Err(Error::TooLarge(self.expected.max));
        }
        if self.media_type.is_none() {
            let missing = kind::HEAD - self.head.len();
            self.head.extend_from_slice(&piece[..piece.len().min(missing)]);
            if self.head.len() == kind::HEAD {
                self.decide()?;
            }
        }
        self.pending.received(self.size).await?;
        self.md5.update(&piece);
        self.sha256.update(&piece);
        if let Some(digests) = &mut self.expected.digests {
            digests.update(&piece);
        }
        Ok(Some(piece))
    }

    /// Once enough has come to know what it is.
    fn decide(&mut self) -> Result<(), Error> {
        let media_type = kind::decide(self.expected.media_type.as_deref(), &self.head);
        self.sniffed = kind::sniff(&self.head);
        for found in [Some(&*media_type), self.sniffed].into_iter().flatten() {
            if !kind::is_allowed(&self.expected.allowed_types, found) {
                return Err(Error::Type(found.to_owned()));
            }
        }
        self.media_type = Some(media_type);
        self.head = BytesMut::new();
        Ok(())
    }

    /// All has come: it is compared with what was announced, before anything is kept.
    fn end(&mut self) -> Result<(), Error> {
        if self.media_type.is_none() {
            self.decide()?;
        }
        if self.expected.length.is_some_and(|length| length != self.size) {
            return Err(Error::BrokenOff("it is shorter than announced".to_owned()));
        }
        if let Some((md5, header)) = self.expected.md5
            && <[u8; 16]>::from(self.md5.clone().finalize()) != md5
        {
            return Err(Error::Digest(header));
        }
        if let Some((sha256, header)) = self.expected.sha256
            && <[u8; 32]>::from(self.sha256.clone().finalize()) != sha256
        {
            return Err(Error::Digest(header));
        }
        Ok(())
    }

    fn finish(self) -> Stored {
        Stored {
            pending: self.pending,
            room: self.expected.room,
            size: self.size,
            media_type: self.media_type.unwrap_or_else(|| kind::ANY.to_owned()),
            sniffed: self.sniffed,
            md5: self.md5.finalize().into(),
            sha256: self.sha256.finalize().into(),
            digests: self.expected.digests,
        }
    }
}

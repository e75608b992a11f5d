//! A body that is taken in pieces.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use md5::{Digest, Md5};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, Notify};

use crate::{error::Error, ops::intake::Body};

/// What a body is compared with.
#[derive(Clone, Debug)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) value: Vec<u8>,
}

/// Algorithms of checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
}

impl Algorithm {
    /// As tus names them.
    pub(crate) const NAMES: &str = "md5,sha1,sha256";

    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "md5" => Some(Self::Md5),
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Bytes of a checksum.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

enum Hash {
    Md5(Md5),
    Sha(Context),
}

impl Hash {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            Algorithm::Sha256 => Self::Sha(Context::new(&SHA256)),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(md5) => md5.update(bytes),
            Self::Sha(sha) => sha.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(md5) => md5.finalize().to_vec(),
            Self::Sha(sha) => sha.finish().as_ref().to_vec(),
        }
    }
}

/// How a body ended.
enum End {
    Whole,
    Broken(String),
    /// Another request goes on with the upload.
    Stopped,
}

/// The body of a request, of which pieces are stored one after the other.
#[derive(Clone)]
pub(crate) struct Source(Arc<Mutex<Inner>>);

struct Inner {
    body: Body,
    rest: Bytes,
    stop: Arc<Notify>,
    hash: Option<(Hash, Vec<u8>)>,
    end: Option<End>,
}

impl Source {
    pub(crate) fn new(body: Body, checksum: Option<Checksum>, stop: Arc<Notify>) -> Self {
        let hash = checksum.map(|checksum| (Hash::of(checksum.algorithm), checksum.value));
        Self(Arc::new(Mutex::new(Inner {
            body,
            rest: Bytes::new(),
            stop,
            hash,
            end: None,
        })))
    }

    /// Waits for more; false if no more comes.
    pub(crate) async fn has_more(&self) -> bool {
        self.0.lock().await.fill().await
    }

    /// The next bytes, at most so many. They end early where the body does, also where it breaks off.
    pub(crate) fn piece(&self, most: usize) -> Body {
        let piece = stream::unfold((self.clone(), most), |(source, left)| async move {
            if left == 0 {
                return None;
            }
            let bytes = source.0.lock().await.take(left).await?;
            let left = left - bytes.len();
            Some((Ok(bytes), (source, left)))
        });
        piece.boxed()
    }

    /// Whether all of the body has come, and is what its checksum says.
    pub(crate) async fn end(&self) -> Result<(), Error> {
        let mut inner = self.0.lock().await;
        match inner.end.take() {
            Some(End::Broken(cause)) => Err(Error::BrokenOff(cause)),
            Some(End::Stopped) => Err(Error::UploadLocked),
            Some(End::Whole) | None => {
                let is_right = inner
                    .hash
                    .take()
                    .is_none_or(|(hash, value)| hash.finish().ct_eq(&value).into());
                if is_right { Ok(()) } else { Err(Error::Checksum) }
            }
        }
    }
}

impl Inner {
    async fn fill(&mut self) -> bool {
        while self.rest.is_empty() && self.end.is_none() {
            let next = tokio::select! {
                biased;
                () = self.stop.notified() => {
                    self.end = Some(End::Stopped);
                    return false;
                }
                next = self.body.next() => next,
            };
            match next {
                None => self.end = Some(End::Whole),
                Some(Err(error)) => self.end = Some(End::Broken(error.to_string())),
                Some(Ok(bytes)) => self.rest = bytes,
            }
        }
        !self.rest.is_empty()
    }

    async fn take(&mut self, most: usize) -> Option<Bytes> {
        if !self.fill().await {
            return None;
        }
        let taken = self.rest.split_to(self.rest.len().min(most));
        if let Some((hash, _)) = &mut self.hash {
            hash.update(&taken);
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    fn body(pieces: &[&'static str], breaks: bool) -> Body {
        let mut pieces: Vec<Result<Bytes, Box<dyn std::error::Error + Send + Sync>>> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        if breaks {
            pieces.push(Err("gone".into()));
        }
        stream::iter(pieces).boxed()
    }

    async fn read(source: &Source, most: usize) -> Vec<u8> {
        let pieces: Vec<Bytes> = source.piece(most).try_collect().await.unwrap();
        pieces.concat()
    }

    #[tokio::test]
    async fn pieces_end_where_they_are_full_and_where_the_body_does() {
        let source = Source::new(body(&["abc", "", "defgh"], false), None, Arc::default());
        for expected in ["abcd", "efgh"] {
            assert!(source.has_more().await);
            assert_eq!(read(&source, 4).await, expected.as_bytes());
        }
        assert!(!source.has_more().await);
        assert!(source.end().await.is_ok());
    }

    #[tokio::test]
    async fn what_came_before_it_broke_is_a_piece() {
        let source = Source::new(body(&["abc"], true), None, Arc::default());
        assert_eq!(read(&source, 10).await, b"abc");
        assert!(!source.has_more().await);
        assert!(matches!(source.end().await, Err(Error::BrokenOff(_))));
        let stop = Arc::new(Notify::new());
        stop.notify_one();
        let source = Source::new(body(&["abc"], false), None, stop);
        assert!(!source.has_more().await);
        assert!(matches!(source.end().await, Err(Error::UploadLocked)));
    }

    #[tokio::test]
    async fn checksums_are_of_the_whole_body() {
        for (algorithm, hex) in [
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "sha256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            let algorithm = Algorithm::named(algorithm).unwrap();
            let value = hex::decode(hex).unwrap();
            assert_eq!(value.len(), algorithm.length());
            for (text, is_right) in [("abc", true), ("abd", false)] {
                let value = value.clone();
                let source = Source::new(
                    body(&[text], false),
                    Some(Checksum { algorithm, value }),
                    Arc::default(),
                );
                while source.has_more().await {
                    read(&source, 2).await;
                }
                assert_eq!(source.end().await.is_ok(), is_right);
            }
        }
        assert!(Algorithm::named("crc32").is_none());
    }
}

//! Objects that come in pieces, and are there as a whole or not at all.

use std::{error::Error as StdError, mem, sync::Arc};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::FuturesUnordered};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, UploadPart, path::Path};

use crate::ObjectError;

/// Bytes of a part on S3: all but the last have the same, as some servers want it. A ten-thousandth part of the largest object.
pub(crate) const BUCKET_PART: usize = 8 * 1024 * 1024;
/// Bytes of a part in a folder, where any will do.
pub(crate) const FOLDER_PART: usize = 1024 * 1024;
/// Parts that are on their way at once; so much of an object is in memory, and one more that is being filled.
const AT_ONCE: usize = 2;

/// Keeps what `body` yields under `path`, in parts of `size` bytes, and returns its length.
pub(crate) async fn put_stream<S, E>(
    store: &Arc<dyn ObjectStore>,
    path: Path,
    size: usize,
    body: S,
) -> Result<u64, ObjectError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut body = std::pin::pin!(body);
    let (mut part, mut length) = (Part::of(size), 0_u64);
    let mut upload: Option<Unfinished> = None;
    while let Some(piece) = body.next().await {
        let mut piece = piece.map_err(|e| ObjectError::Body(e.into()))?;
        length += piece.len() as u64;
        while let Some(full) = part.fill(&mut piece) {
            let upload = match &mut upload {
                Some(upload) => upload,
                none => none.insert(Unfinished::begin(store, &path).await?),
            };
            upload.send(full).await?;
        }
    }
    match upload {
        // It fits into one part: no need for an upload of several.
        None => drop(store.put(&path, part.take()).await?),
        Some(mut upload) => {
            if part.length > 0 {
                upload.send(part.take()).await?;
            }
            upload.complete().await?;
        }
    }
    Ok(length)
}

/// A part that is being filled.
struct Part {
    pieces: Vec<Bytes>,
    length: usize,
    size: usize,
}

impl Part {
    fn of(size: usize) -> Self {
        Self {
            pieces: Vec::new(),
            length: 0,
            size,
        }
    }

    /// Takes what there is room for from `piece`; the part, if it is full and there is more to come.
    fn fill(&mut self, piece: &mut Bytes) -> Option<PutPayload> {
        if piece.is_empty() {
            return None;
        }
        if self.length == self.size {
            return Some(self.take());
        }
        let taken = piece.split_to(piece.len().min(self.size - self.length));
        self.length += taken.len();
        self.pieces.push(taken);
        if piece.is_empty() { None } else { Some(self.take()) }
    }

    fn take(&mut self) -> PutPayload {
        self.length = 0;
        mem::take(&mut self.pieces).into_iter().collect()
    }
}

/// An upload of several parts, which is aborted when this is dropped.
struct Unfinished {
    upload: Option<Box<dyn MultipartUpload>>,
    under_way: FuturesUnordered<UploadPart>,
}

impl Unfinished {
    /// In a task of its own: should the caller go away meanwhile, there is nobody else to abort what was just begun.
    async fn begin(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Self, ObjectError> {
        let (store, path) = (Arc::clone(store), path.clone());
        let begun = tokio::spawn(async move {
            let upload = store.put_multipart(&path).await?;
            Ok::<_, object_store::Error>(Self {
                upload: Some(upload),
                under_way: FuturesUnordered::new(),
            })
        });
        let begun = begun.await.map_err(|e| ObjectError::Store(e.to_string()))?;
        Ok(begun?)
    }

    async fn send(&mut self, part: PutPayload) -> Result<(), ObjectError> {
        if let Some(upload) = &mut self.upload {
            self.under_way.push(upload.put_part(part));
        }
        self.wait(AT_ONCE - 1).await
    }

    /// Until no more than so many parts are under way.
    async fn wait(&mut self, most: usize) -> Result<(), ObjectError> {
        while self.under_way.len() > most
            && let Some(sent) = self.under_way.next().await
        {
            sent?;
        }
        Ok(())
    }

    async fn complete(mut self) -> Result<(), ObjectError> {
        self.wait(0).await?;
        if let Some(upload) = &mut self.upload {
            upload.complete().await?;
        }
        self.upload = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else {
            return;
        };
        let under_way = mem::take(&mut self.under_way);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // What is half-way there would stay where it arrives after the end.
                drop(under_way);
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, "an unfinished upload could not be taken back");
                }
            });
        }
    }
}

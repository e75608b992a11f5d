//! What a folder does its own way: files that are read in large blocks, and what unfinished ones leave.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

use crate::ObjectError;

/// Read at once. Less costs a switch of threads more often, more is memory for each reader.
const BLOCK: u64 = 256 * 1024;
/// Blocks that are read ahead of the reader, the one that it waits for included.
const AHEAD: usize = 2;

/// The bytes of `range`.
pub(crate) fn stream(file: File, range: Range<u64>) -> BoxStream<'static, Result<Bytes, ObjectError>> {
    let file = Arc::new(file);
    let blocks = (0..).map(move |number| {
        let begin = range.start.saturating_add(number * BLOCK);
        begin..begin.saturating_add(BLOCK).min(range.end)
    });
    let blocks = blocks.take_while(|block| !block.is_empty()).map(move |block| {
        let file = Arc::clone(&file);
        async move {
            let read = tokio::task::spawn_blocking(move || read(&file, block)).await;
            read.unwrap_or_else(|error| Err(io::Error::other(error)))
        }
    });
    stream::iter(blocks)
        .buffered(AHEAD)
        .map_err(|error| ObjectError::Store(format!("a file could not be read: {error}")))
        .boxed()
}

fn read(file: &File, block: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(block.end - block.start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, block.start)?;
    Ok(bytes.into())
}

/// Removes the files that `object_store` writes to before it renames them to `path`: their names are the object's, `#` and a number.
pub(crate) fn remove_staged(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    // Numbers go up from 1, and a name is used by one upload alone.
    for number in 1.. {
        match fs::remove_file(folder.join(format!("{name}#{number}"))) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

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
use parking_lot::Mutex;

use crate::ObjectError;

/// What is in memory already is read in pieces that fit into a processor's cache: it is copied once more, into the socket.
#[cfg(target_os = "linux")]
const CACHED: u64 = 64 * 1024;
/// What a disk is waited for is read in larger ones, for each costs a switch of threads.
const BLOCK: u64 = 256 * 1024;

/// The bytes of `range`.
pub(crate) fn stream(file: File, range: Range<u64>) -> BoxStream<'static, Result<Bytes, ObjectError>> {
    let (file, spare) = (Arc::new(file), Spare::default());
    let blocks = stream::try_unfold(range, move |rest| {
        let (file, spare) = (Arc::clone(&file), Arc::clone(&spare));
        async move {
            if rest.is_empty() {
                return Ok(None);
            }
            let bytes = match cached(&file, &rest, &spare) {
                Some(bytes) => bytes,
                None => {
                    let block = first(&rest, BLOCK);
                    let read = tokio::task::spawn_blocking(move || read(&file, block)).await;
                    read.map_err(io::Error::other)??
                }
            };
            let begin = rest.start + bytes.len() as u64;
            Ok(Some((bytes, begin..rest.end)))
        }
    });
    blocks
        .map_err(|error: io::Error| ObjectError::Store(format!("a file could not be read: {error}")))
        .boxed()
}

/// At most `length` bytes from the beginning of `range`.
fn first(range: &Range<u64>, length: u64) -> Range<u64> {
    range.start..range.start.saturating_add(length).min(range.end)
}

/// Memory that was read into and sent. It is used again, as to clear new memory costs nearly as much as to read into it.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

/// Bytes that were read, at the beginning of memory that is given back.
#[cfg(target_os = "linux")]
struct Block {
    memory: Vec<u8>,
    length: usize,
    spare: Spare,
}

#[cfg(target_os = "linux")]
impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

#[cfg(target_os = "linux")]
impl Drop for Block {
    fn drop(&mut self) {
        self.spare.lock().push(std::mem::take(&mut self.memory));
    }
}

/// The next bytes, should they be in memory. Otherwise the disk has to be waited for, which is nothing for this thread.
#[cfg(target_os = "linux")]
fn cached(file: &File, range: &Range<u64>, spare: &Spare) -> Option<Bytes> {
    use rustix::io::{ReadWriteFlags, preadv2};

    let most = usize::try_from(CACHED.min(range.end - range.start)).ok()?;
    let kept = spare.lock().pop();
    let mut block = Block {
        memory: kept.unwrap_or_else(|| vec![0; most]),
        length: 0,
        spare: Arc::clone(spare),
    };
    let into = &mut [io::IoSliceMut::new(&mut block.memory[..most])];
    block.length = preadv2(file, into, range.start, ReadWriteFlags::NOWAIT).ok()?;
    (block.length > 0).then(|| Bytes::from_owner(block))
}

#[cfg(not(target_os = "linux"))]
fn cached(_: &File, _: &Range<u64>, _: &Spare) -> Option<Bytes> {
    None
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

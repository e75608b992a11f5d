//! Messages that are kept instead of sent, for trying things out: `<id>.json` for us, and beside it what the channel writes for people,
//! such as `<id>.eml` for their mail programs.

use std::{
    cmp::Reverse,
    ffi::OsStr,
    fs,
    io::{self, Write},
    marker::PhantomData,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use stoa_kernel::{Timestamp, random};

use crate::{Cause, SendError};

/// Messages that are kept.
const KEEP: usize = 500;
/// Messages between two looks for old ones.
const PRUNE_EVERY: usize = 50;
/// Characters of the pages' key, at least.
const KEY: usize = 32;
/// A file that is not finished by then never will be.
const UNFINISHED: Duration = Duration::from_secs(60);

/// What a folder can keep.
pub trait Record: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The channel: `mail`, `sms`. The key of its pages is in `dev-<channel>.key`.
    const CHANNEL: &'static str;
    /// The ending of the file beside that of the record; none: there is no such file.
    const BESIDE: Option<&'static str>;

    /// As [`is_id`] takes it.
    fn id(&self) -> &str;
}

/// A folder of messages of one kind, each stored once. Cheap to clone.
pub struct Folder<T> {
    inner: Arc<Inner>,
    kind: PhantomData<fn() -> T>,
}

struct Inner {
    beside: Option<&'static str>,
    path: PathBuf,
    stored: AtomicUsize,
}

/// A message in the folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stored<T> {
    /// The message.
    #[serde(flatten)]
    pub message: T,
    /// When it would have been sent.
    pub sent_at: Timestamp,
}

/// Whether `id` can name a message and its file: letters, digits, `.`, `_` and `-`, not beginning with `.`, at most 128.
#[must_use]
pub fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=128).contains(&id.len()) && id.bytes().all(plain) && !id.starts_with('.')
}

impl<T> Clone for Folder<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            kind: PhantomData,
        }
    }
}

impl<T: Record> Folder<T> {
    /// Makes the folder, for this user alone, if it is not there.
    ///
    /// # Errors
    /// [`SendError::Config`] when it cannot be made.
    pub fn open(path: PathBuf) -> Result<Self, SendError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|e| SendError::Config(format!("the folder {} cannot be made: {e}", path.display())))?;
        let inner = Inner {
            beside: T::BESIDE,
            path,
            stored: AtomicUsize::new(0),
        };
        Ok(Self {
            inner: Arc::new(inner),
            kind: PhantomData,
        })
    }

    /// The key of the pages over the folder: in a file that only this user reads, made where it is missing.
    ///
    /// # Errors
    /// [`SendError::Config`] when it cannot be read or made.
    pub fn key(&self) -> Result<String, SendError> {
        let path = self.inner.path.join(format!("dev-{}.key", T::CHANNEL));
        let read = || fs::read_to_string(&path).map(|key| key.trim().to_owned());
        let key = match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(&path).and_then(|()| read()),
            key => key,
        };
        key.ok().filter(|key| key.len() >= KEY).ok_or_else(|| {
            SendError::Config(format!(
                "{} holds no key; delete it, so that a new one is made",
                path.display()
            ))
        })
    }

    /// Stores a message once per id, and `beside` in a file beside it. A file is there whole or not at all; it is not fsynced, as
    /// nothing hangs on it.
    ///
    /// # Errors
    /// [`SendError::Permanent`] for an id that is none; else when the folder cannot be written.
    pub async fn store(&self, message: T, sent_at: Timestamp, beside: Vec<u8>) -> Result<(), SendError> {
        if !is_id(message.id()) {
            return Err(SendError::Permanent(
                "the id cannot be the name of a file".to_owned(),
            ));
        }
        self.blocking(move |inner| {
            let id = message.id().to_owned();
            let record = inner.file(&id, "json");
            if record.exists() {
                return Ok(());
            }
            let json = serde_json::to_vec_pretty(&Stored { message, sent_at })?;
            if let Some(ending) = inner.beside {
                write_whole(&inner.file(&id, ending), &beside)?;
            }
            write_whole(&record, &json)?; // last: a message is in the folder once this is there
            if inner.stored.fetch_add(1, Ordering::Relaxed) % PRUNE_EVERY == 0 {
                inner.prune()?;
            }
            Ok(())
        })
        .await
    }

    /// All messages, newest first. What cannot be read as one is left out.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn list(&self) -> Result<Vec<Stored<T>>, SendError> {
        self.blocking(|inner| {
            let records = inner.records()?;
            let mut list: Vec<Stored<T>> = records.iter().filter_map(|(path, _)| read(path)).collect();
            list.sort_by(|a, b| (b.sent_at, b.message.id()).cmp(&(a.sent_at, a.message.id())));
            list.truncate(KEEP);
            Ok(list)
        })
        .await
    }

    /// One message.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn get(&self, id: String) -> Result<Option<Stored<T>>, SendError> {
        if !is_id(&id) {
            return Ok(None);
        }
        self.blocking(move |inner| Ok(read(&inner.file(&id, "json"))))
            .await
    }

    /// Deletes the messages that `chosen` names, and what a crash left half-written.
    ///
    /// # Errors
    /// When the folder cannot be read or a file not be deleted.
    pub async fn delete(&self, chosen: impl Fn(&T) -> bool + Send + 'static) -> Result<(), SendError> {
        self.blocking(move |inner| {
            for (path, _) in inner.records()? {
                if read(&path).is_some_and(|stored: Stored<T>| chosen(&stored.message)) {
                    inner.remove(&path)?;
                }
            }
            inner.remove_unfinished()
        })
        .await
    }

    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<R> + Send + 'static,
    ) -> Result<R, SendError> {
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(io::Error::other);
        done.flatten().map_err(|e| {
            let why = format!("the folder {} failed: {e}", self.inner.path.display());
            SendError::transient(Cause::Provider, why)
        })
    }
}

impl Inner {
    fn file(&self, id: &str, extension: &str) -> PathBuf {
        self.path.join(format!("{id}.{extension}"))
    }

    /// The JSON files, and when each was written.
    fn records(&self) -> io::Result<Vec<(PathBuf, SystemTime)>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let path = entry.path();
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if path.extension().is_some_and(|extension| extension == "json") && !hidden {
                // Another process may have removed it meanwhile.
                let Ok(written) = entry.metadata().and_then(|found| found.modified()) else {
                    continue;
                };
                records.push((path, written));
            }
        }
        Ok(records)
    }

    /// Removes a message and what is beside it.
    fn remove(&self, record: &Path) -> io::Result<()> {
        remove(record)?;
        self.beside
            .map_or(Ok(()), |ending| remove(&record.with_extension(ending)))
    }

    /// Removes files that no message in the folder has, once nobody can still be writing them.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)?.flatten() {
            let path = entry.path();
            let extension = path.extension().and_then(OsStr::to_str);
            let unfinished = match extension {
                Some("tmp") => true,
                Some(ending) if Some(ending) == self.beside => !path.with_extension("json").exists(),
                _ => false,
            };
            let written = entry.metadata().and_then(|found| found.modified());
            let age = written.ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
            if unfinished && age > UNFINISHED {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes all but the newest.
    fn prune(&self) -> io::Result<()> {
        let mut records = self.records()?;
        records.sort_by_key(|(_, written)| Reverse(*written));
        for (path, _) in records.iter().skip(KEEP) {
            let _ = self.remove(path); // another process may be doing the same
        }
        Ok(())
    }
}

/// Gone already is as good.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn read<T: Record>(path: &Path) -> Option<Stored<T>> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|e| tracing::warn!(file = %path.display(), "not a stored message: {e}"))
        .ok()
}

/// Whole or not at all. Where another process was first, its key stays.
fn make_key(path: &Path) -> io::Result<()> {
    let unfinished = path.with_file_name(format!(".{}.tmp", random::token::<12>()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let made = writeln!(file, "{}", random::token::<24>()).and_then(|()| fs::hard_link(&unfinished, path));
    remove(&unfinished)?;
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_file_name(format!(".{}.tmp", random::token::<12>()));
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&unfinished);
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_no_file_names_are_refused() {
        for id in ["", ".", "..", ".a", "a/b", "a b", "ä", "a\n", &"a".repeat(129)] {
            assert!(!is_id(id), "{id}");
        }
        assert!(is_id("0197-event_1.welcome"));
    }
}

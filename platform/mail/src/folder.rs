//! A mailbox for trying things out: `<id>.eml` for people's mail programs, and beside it `<id>.json` for us.

use std::{
    cmp::Reverse,
    ffi::OsStr,
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use stoa_kernel::{Timestamp, random};

use crate::{
    Mail, MailError,
    message::{is_id, mailbox},
};

/// Mails that are kept.
const KEEP: usize = 500;
/// Mails between two looks for old ones.
const PRUNE_EVERY: usize = 50;
/// Characters of the pages' key, at least.
const KEY: usize = 32;
/// A file that is not finished by then never will be.
const UNFINISHED: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Folder(Arc<Inner>);

struct Inner {
    path: PathBuf,
    stored: AtomicUsize,
}

/// A mail in the folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    #[serde(flatten)]
    pub(crate) mail: Mail,
    pub(crate) sent_at: Timestamp,
}

impl Folder {
    /// Makes the folder, for this user alone, if it is not there.
    pub(crate) fn open(path: PathBuf) -> Result<Self, MailError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|e| {
                MailError::Config(format!("the mail folder {} cannot be made: {e}", path.display()))
            })?;
        Ok(Self(Arc::new(Inner {
            path,
            stored: AtomicUsize::new(0),
        })))
    }

    /// The key of the pages over the folder: in a file that only this user reads, made where it is missing.
    pub(crate) fn key(&self) -> Result<String, MailError> {
        let path = self.0.path.join("dev-mail.key");
        let read = || fs::read_to_string(&path).map(|key| key.trim().to_owned());
        let key = match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(&path).and_then(|()| read()),
            key => key,
        };
        key.ok().filter(|key| key.len() >= KEY).ok_or_else(|| {
            MailError::Config(format!(
                "{} holds no key; delete it, so that a new one is made",
                path.display()
            ))
        })
    }

    /// Stores a mail once per id. A file is there whole or not at all; it is not fsynced, as nothing hangs on it.
    pub(crate) async fn store(&self, mail: Mail, sent_at: Timestamp, eml: Vec<u8>) -> Result<(), MailError> {
        self.blocking(move |inner| {
            let id = mail.id.clone();
            let record = inner.file(&id, "json");
            if record.exists() {
                return Ok(());
            }
            let json = serde_json::to_vec_pretty(&Stored { mail, sent_at })?;
            write_whole(&inner.file(&id, "eml"), &eml)?;
            write_whole(&record, &json)?; // last: a mail is in the mailbox once this is there
            if inner.stored.fetch_add(1, Ordering::Relaxed) % PRUNE_EVERY == 0 {
                inner.prune()?;
            }
            Ok(())
        })
        .await
    }

    /// All mails, newest first. What cannot be read as one is left out.
    pub(crate) async fn list(&self) -> Result<Vec<Stored>, MailError> {
        self.blocking(|inner| {
            let mut list: Vec<Stored> = inner
                .records()?
                .iter()
                .filter_map(|(path, _)| read(path))
                .collect();
            list.sort_by(|a, b| (b.sent_at, &b.mail.id).cmp(&(a.sent_at, &a.mail.id)));
            list.truncate(KEEP);
            Ok(list)
        })
        .await
    }

    pub(crate) async fn get(&self, id: String) -> Result<Option<Stored>, MailError> {
        if !is_id(&id) {
            return Ok(None);
        }
        self.blocking(move |inner| Ok(read(&inner.file(&id, "json"))))
            .await
    }

    /// Deletes the mails to whom `theirs` names by their bare address, and what a crash left half-written.
    pub(crate) async fn forget(
        &self,
        theirs: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<(), MailError> {
        self.blocking(move |inner| {
            for (path, _) in inner.records()? {
                let stored = read(&path);
                let to = stored.and_then(|stored| mailbox(&stored.mail.to));
                if to.is_some_and(|to| theirs(to.email.as_ref())) {
                    remove(&path)?;
                    remove(&path.with_extension("eml"))?;
                }
            }
            inner.remove_unfinished()
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, MailError> {
        let inner = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(io::Error::other);
        done.flatten().map_err(|e| {
            MailError::Transient(format!("the mail folder {} failed: {e}", self.0.path.display()))
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

    /// Removes files that no mail in the mailbox has, once nobody can still be writing them.
    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)?.flatten() {
            let path = entry.path();
            let extension = path.extension().and_then(OsStr::to_str);
            let unfinished = match extension {
                Some("eml") => !path.with_extension("json").exists(),
                Some("tmp") => true,
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
            // Gone already is as good.
            let _ = fs::remove_file(path);
            let _ = fs::remove_file(path.with_extension("eml"));
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

fn read(path: &Path) -> Option<Stored> {
    let bytes = fs::read(path).ok()?;
    serde_json::from_slice(&bytes)
        .inspect_err(|e| tracing::warn!(file = %path.display(), "not a stored mail: {e}"))
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

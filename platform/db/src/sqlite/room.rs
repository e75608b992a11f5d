//! Whether the disk has room for what will be written next.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::Error;

/// How much must fit: some dozens of transactions.
const ROOM: usize = 256 * 1024;
/// For so long the last look holds, however often somebody asks.
const FRESH: Duration = Duration::from_secs(2);

/// The file that is written to find out, and when that was done last.
pub(super) struct Room {
    file: PathBuf,
    last: Mutex<Option<(Instant, Result<(), Error>)>>,
}

impl Room {
    pub(super) fn beside(database: &Path) -> Self {
        let mut file = database.as_os_str().to_owned();
        file.push("-room");
        Self {
            file: file.into(),
            last: Mutex::new(None),
        }
    }

    /// Blocks.
    pub(super) fn look(&self) -> Result<(), Error> {
        let mut last = self.last.lock();
        if let Some((when, found)) = &*last
            && when.elapsed() < FRESH
        {
            return found.clone();
        }
        let written = fs::write(&self.file, vec![0; ROOM]);
        let removed = fs::remove_file(&self.file);
        let found = written.and(removed).map_err(|e| self.refused(&e));
        *last = Some((Instant::now(), found.clone()));
        found
    }

    fn refused(&self, error: &io::Error) -> Error {
        let folder = self.file.parent().unwrap_or(&self.file).display();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Error::ReadOnly(format!("{folder}: {error}"))
            }
            _ => Error::Engine(format!("{folder}: {error}")),
        }
    }
}

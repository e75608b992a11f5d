//! The data folder, which one process at a time may use.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The data folder, held by this process until it is dropped.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder where it is missing (mode 0700) and takes hold of it.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        if !path.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|e| {
                    format!("the data folder {shown} cannot be made: {e}; choose another with --data-dir")
                })?;
        }
        let path =
            fs::canonicalize(path).map_err(|e| format!("the data folder {shown} cannot be opened: {e}"))?;
        let lock = hold(&path.join("lock")).map_err(|e| {
            format!("the data folder {shown} cannot be used: {e}; choose another with --data-dir")
        })?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Locks the file and writes our process id into it, for whoever finds it locked.
fn hold(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if let Err(error) = file.try_lock() {
        let mut holder = String::new();
        file.read_to_string(&mut holder)?;
        return Err(match error {
            TryLockError::WouldBlock => io::Error::other(format!(
                "another stoa (process {}) is running on it",
                holder.trim()
            )),
            TryLockError::Error(error) => error,
        });
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// The database file of a service, which must exist.
pub(crate) fn database_file(data_dir: &Path, service: &str) -> Result<PathBuf, String> {
    let file = data_dir.join(format!("{service}.db"));
    if file.is_file() {
        return Ok(file);
    }
    Err(format!(
        "there is no {} yet; name the data folder with --data-dir, or start `stoa serve` once",
        file.display()
    ))
}

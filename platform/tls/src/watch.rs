//! Files that are read again when they change.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

/// Between two looks at the files. A look is a `stat` for each: cheaper than a watcher, and it also sees files behind
/// symbolic links that are swapped, as Kubernetes does, and such on network file systems.
const EVERY: Duration = Duration::from_secs(2);

/// What is made of files.
pub(crate) trait Reload: Send + Sync + 'static {
    /// The files, as they are now.
    fn files(&self) -> Vec<PathBuf>;
    /// Reads them; on an error everything stays as it was.
    fn reload(&self) -> Result<(), crate::TlsError>;
}

/// How files looked at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(Vec<(PathBuf, Option<Stamp>)>);

/// Device, inode, size, and the time of the last change in nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl Snapshot {
    /// Follows symbolic links.
    pub(crate) fn at(files: Vec<PathBuf>) -> Self {
        let stamp = |path: &Path| {
            let data = fs::metadata(path).ok()?;
            Some((
                data.dev(),
                data.ino(),
                data.size(),
                data.mtime(),
                data.mtime_nsec(),
            ))
        };
        Self(
            files
                .into_iter()
                .map(|path| (path.clone(), stamp(&path)))
                .collect(),
        )
    }
}

/// Reads the files again whenever they change, for as long as somebody holds `what`. `seen` is how they looked before
/// they were read first.
pub(crate) fn watch<T: Reload>(what: &Arc<T>, seen: Snapshot) {
    tokio::spawn(look_on(Arc::downgrade(what), seen, EVERY));
}

/// Reads the files again, whether they have changed or not. Blocks for as long as that takes.
pub(crate) fn read_again<T: Reload>(what: &T) {
    match what.reload() {
        Ok(()) => tracing::info!("certificates were read again"),
        Err(error) => tracing::error!(%error, "certificates cannot be used; those from before stay in use"),
    }
}

async fn look_on<T: Reload>(what: Weak<T>, mut seen: Snapshot, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(what) = what.upgrade() else { return };
        let before = seen.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let now = Snapshot::at(what.files());
            if now != before {
                match what.reload() {
                    Ok(()) => tracing::info!("certificates have changed and were read again"),
                    Err(error) => {
                        tracing::error!(%error, "certificates have changed but cannot be used; those from before stay in use");
                    }
                }
            }
            now
        });
        match looked.await {
            Ok(now) => seen = now,
            Err(error) => tracing::error!(%error, "looking at certificates failed"),
        }
    }
}

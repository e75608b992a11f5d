//! The folder store through its public surface.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod folder;
mod keys;

use stoa_objects::Objects;
use tempfile::TempDir;

/// Objects in a folder of the test's own.
fn objects() -> (Objects, TempDir) {
    let dir = TempDir::new().unwrap();
    (Objects::folder(&dir.path().join("objects")).unwrap(), dir)
}

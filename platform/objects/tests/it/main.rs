//! The store through its public surface: what a folder and a bucket do alike, and what each has of its own.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod conformance;
mod fixture;
mod folder;
mod keys;
mod settings;
mod uploads;

use stoa_objects::Objects;
use tempfile::TempDir;

/// Objects in a folder of the test's own.
fn objects() -> (Objects, TempDir) {
    let dir = TempDir::new().unwrap();
    (Objects::folder(&dir.path().join("objects")).unwrap(), dir)
}

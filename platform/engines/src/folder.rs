//! Folders that also an engine under another user may enter.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

pub(crate) fn temporary(engine: &str) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix(&format!("stoa-{engine}-"))
        .tempdir()
        .unwrap_or_else(|e| panic!("no temporary folder for {engine}: {e}"));
    let open = Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open)
        .unwrap_or_else(|e| panic!("the folder of {engine} cannot be opened to others: {e}"));
    folder
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
}

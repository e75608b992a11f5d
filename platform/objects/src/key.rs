//! What a key may look like: the same in a folder as on S3, and never a way out of the folder.

use object_store::path::Path;

use crate::ObjectError;

/// Longest key, as on S3.
const MAX_KEY: usize = 1024;
/// Longest segment: file systems allow 255 bytes, of which some are left for names of unfinished files.
const MAX_SEGMENT: usize = 200;

/// The path of a key: segments of `a-z0-9._-`, joined by `/`, none of them empty, `.` or `..`.
pub(crate) fn path(key: &str) -> Result<Path, ObjectError> {
    let wrong = || ObjectError::Key(key.to_owned());
    if key.len() > MAX_KEY || !key.split('/').all(is_segment) {
        return Err(wrong());
    }
    Path::parse(key).map_err(|_| wrong())
}

/// The path of a prefix: whole segments, with or without a slash at the end; empty for everything.
pub(crate) fn prefix(prefix: &str) -> Result<Option<Path>, ObjectError> {
    let bare = prefix.strip_suffix('/').unwrap_or(prefix);
    if prefix.is_empty() {
        Ok(None)
    } else {
        path(bare).map(Some)
    }
}

fn is_segment(segment: &str) -> bool {
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=MAX_SEGMENT).contains(&segment.len()) && segment.bytes().all(plain) && !matches!(segment, "." | "..")
}

//! Names of buckets and paths of objects.

use stoa_kernel::text;

/// Longest path, in bytes, as on S3.
const MAX_PATH: usize = 1024;
/// What follows `/api/v1/storage/` and is no bucket.
const RESERVED: [&str; 8] = [
    "buckets",
    "objects",
    "operations",
    "access-keys",
    "presigned",
    "links",
    "tus",
    "usage",
];

/// The path of an object as it is kept: in normal form C, so that one name has one spelling.
///
/// # Errors
/// In words, when it can be none.
pub(crate) fn object(path: &str) -> Result<String, &'static str> {
    let path = text::nfc(path);
    if path.len() > MAX_PATH {
        return Err("At most 1024 bytes are taken");
    }
    if path.chars().any(char::is_control) {
        return Err("Control characters are not taken");
    }
    if path.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err("A path has no empty segments, and none that are . or ..");
    }
    Ok(path)
}

/// What the paths begin with that are looked for: as a path, and it may be empty, end within a segment or with a slash.
///
/// # Errors
/// In words, when no path begins so.
pub(crate) fn prefix(prefix: &str) -> Result<String, &'static str> {
    let whole = prefix.strip_suffix('/').unwrap_or(prefix);
    if whole.is_empty() {
        return if prefix.is_empty() {
            Ok(String::new())
        } else {
            Err("No path begins with a slash")
        };
    }
    // What a segment begins with may be . or .. yet.
    let last = match whole.rsplit_once('/') {
        None => whole,
        Some((folders, last)) => {
            object(folders)?;
            last
        }
    };
    if last.is_empty() || last.chars().any(char::is_control) || whole.len() > MAX_PATH {
        return Err("No path begins so");
    }
    Ok(text::nfc(prefix))
}

/// Checks the name of a bucket, by the rules of S3.
///
/// # Errors
/// In words, when it can be none.
pub(crate) fn bucket(name: &str) -> Result<(), &'static str> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    if !(3..=63).contains(&bytes.len()) {
        return Err("A name has 3 to 63 characters");
    }
    if !bytes.iter().all(|b| letter(*b) || matches!(b, b'-' | b'.')) {
        return Err("A name is of a-z, 0-9, - and .");
    }
    if !name.split('.').all(|label| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| letter(*b)) && bytes.last().is_some_and(|b| letter(*b))
    }) {
        return Err("A name, and each part between dots, begins and ends with a letter or digit");
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err("An address is not a name");
    }
    if name.starts_with("xn--") || name.ends_with("-s3alias") || RESERVED.contains(&name) {
        return Err("This name is reserved");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_spelling_and_leads_nowhere_else() {
        assert_eq!(object("a/e\u{301}.txt").as_deref(), Ok("a/\u{e9}.txt"));
        assert_eq!(object("..a/b..").as_deref(), Ok("..a/b.."));
        assert!(object(&"x".repeat(1024)).is_ok() && object(&"x".repeat(1025)).is_err());
        for path in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\nb", "a\u{7f}",
        ] {
            assert!(object(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_prefix_may_end_anywhere() {
        for prefix_of in ["", "a", "a/", "a/b", "a/.", ".", ".h", "a/.."] {
            assert_eq!(prefix(prefix_of).as_deref(), Ok(prefix_of));
        }
        for wrong in ["/", "/a", "a//", "a/../b", "a\u{0}"] {
            assert!(prefix(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn buckets_are_named_as_on_s3() {
        for name in ["abc", "a-b.c1", "123", &"x".repeat(63)] {
            assert_eq!(bucket(name), Ok(()), "{name}");
        }
        for name in [
            "ab",
            "-ab",
            "ab-",
            "a..b",
            "a.-b",
            "Abc",
            "a_b",
            "10.0.0.1",
            "xn--abc",
            "tus",
            "a/b",
            "\u{e9}abc",
        ] {
            assert!(bucket(name).is_err(), "{name}");
        }
        assert!(bucket(&"x".repeat(64)).is_err());
    }
}

//! What kind of thing an object is: what its uploader says, what its first bytes say, and what browsers may do with it.

/// What is known of bytes of which nothing is known.
pub(crate) const ANY: &str = "application/octet-stream";
/// So many of the first bytes are looked at.
pub(crate) const HEAD: usize = 4096;
/// Longest media type that is kept, in bytes.
const MAX: usize = 255;

/// The media type that is kept: what the uploader says if that says something, else what the first bytes are known to be.
pub(crate) fn decide(declared: Option<&str>, head: &[u8]) -> String {
    let declared =
        declared.filter(|declared| !matches!(essence(declared).as_str(), ANY | "binary/octet-stream"));
    declared.or_else(|| sniff(head)).unwrap_or(ANY).to_owned()
}

/// The media type that the first bytes are known to have.
pub(crate) fn sniff(head: &[u8]) -> Option<&'static str> {
    infer::get(head).map(|kind| kind.mime_type())
}

/// Whether the text is a media type that can be kept: `type/subtype`, and parameters of visible characters.
pub(crate) fn is_media_type(text: &str) -> bool {
    let token = |text: &str| {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
        !text.is_empty() && text.bytes().all(is_token)
    };
    let essence = essence(text);
    let (kind, subtype) = essence.split_once('/').unwrap_or_default();
    text.len() <= MAX && token(kind) && token(subtype) && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// `type/subtype` in lower case.
pub(crate) fn essence(media_type: &str) -> String {
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Whether one of the patterns, such as `image/png` and `image/*`, fits; any type does where there are none.
pub(crate) fn is_allowed(patterns: &[String], media_type: &str) -> bool {
    let essence = essence(media_type);
    let fits = |pattern: &String| {
        pattern
            .strip_suffix('*')
            .map_or(*pattern == essence, |before| essence.starts_with(before))
    };
    patterns.is_empty() || patterns.iter().any(fits)
}

/// Whether the text is such a pattern.
pub(crate) fn is_pattern(text: &str) -> bool {
    let whole = text.strip_suffix("/*").map(|kind| format!("{kind}/x"));
    let whole = whole.as_deref().unwrap_or(text);
    is_media_type(whole) && essence(whole) == whole
}

/// Whether a browser may show it where it stands: only what cannot run anything. All else is to be saved.
pub(crate) fn is_inert(media_type: &str) -> bool {
    let essence = essence(media_type);
    let (kind, subtype) = essence.split_once('/').unwrap_or_default();
    match kind {
        "image" => !subtype.contains("svg") && !subtype.contains("xml"),
        "audio" | "video" | "font" => true,
        _ => matches!(&*essence, "text/plain" | "text/csv" | "application/json"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn what_the_uploader_says_counts_unless_it_says_nothing() {
        assert_eq!(
            decide(Some("text/plain; charset=utf-8"), PNG),
            "text/plain; charset=utf-8"
        );
        for nothing in [None, Some(ANY), Some("binary/octet-stream")] {
            assert_eq!(decide(nothing, PNG), "image/png");
            assert_eq!(decide(nothing, b"words"), ANY);
        }
    }

    #[test]
    fn what_may_run_something_is_never_shown() {
        for shown in [
            "image/png",
            "Image/JPEG",
            "video/mp4",
            "text/plain; charset=utf-8",
            "application/json",
        ] {
            assert!(is_inert(shown), "{shown}");
        }
        for saved in [
            "text/html",
            "TEXT/HTML; x=y",
            "image/svg+xml",
            "text/xml",
            "application/xhtml+xml",
            "text/javascript",
            "application/pdf",
            "application/x-shockwave-flash",
            "",
            "nonsense",
            "text/css",
            "image/xml",
        ] {
            assert!(!is_inert(saved), "{saved}");
        }
    }

    #[test]
    fn patterns_name_a_type_or_all_of_a_kind() {
        let patterns = ["image/*".to_owned(), "application/pdf".to_owned()];
        assert!(patterns.iter().all(|pattern| is_pattern(pattern)));
        for (media_type, allowed) in [
            ("image/png", true),
            ("IMAGE/png; x=y", true),
            ("application/pdf", true),
            ("application/pdfx", false),
            ("imagex/png", false),
            ("text/html", false),
        ] {
            assert_eq!(is_allowed(&patterns, media_type), allowed, "{media_type}");
        }
        assert!(is_allowed(&[], "any/thing"));
        for wrong in [
            "",
            "*",
            "*/*",
            "image",
            "image/",
            "Image/png",
            "image/png;x=y",
            "image/p*",
        ] {
            assert!(!is_pattern(wrong), "{wrong}");
        }
    }
}

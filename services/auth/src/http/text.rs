//! Texts in requests.

use stoa_http::field_error;
use stoa_kernel::text;

/// For `garde`: a line of text in which something can be seen, of at most `most` characters.
pub(super) fn is_line(given: &str, most: usize) -> garde::Result {
    let Some(line) = text::line(given) else {
        return Err(field_error("blank", "It has no visible characters"));
    };
    if line.chars().count() > most {
        return Err(field_error(
            "too_long",
            format_args!("The greatest length is {most}"),
        ));
    }
    if line.contains(text::is_forbidden) {
        return Err(field_error("invalid", "Control characters are not accepted"));
    }
    Ok(())
}

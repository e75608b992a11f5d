//! Text as pages show it.

use minijinja::{Value, context};
use stoa_kernel::Timestamp;

/// A text cut into parts for a template: `text`, and whether it is a web address, `link`.
#[must_use]
pub fn with_links(text: &str) -> Vec<Value> {
    parts(text)
        .map(|(text, link)| context! { text => text, link => link })
        .collect()
}

/// A moment as people read it.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string()
}

/// Cuts a text into what is a web address (true) and what is not.
fn parts(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (part, link) = match find_link(rest) {
            None => (rest, false),
            Some((0, length)) => (&rest[..length], true),
            Some((start, _)) => (&rest[..start], false),
        };
        rest = &rest[part.len()..];
        (!part.is_empty()).then_some((part, link))
    })
}

/// Where the first web address in `text` begins, and its length.
fn find_link(text: &str) -> Option<(usize, usize)> {
    let start = [text.find("http://"), text.find("https://")]
        .into_iter()
        .flatten()
        .min()?;
    let found = &text[start..];
    let end = found
        .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '\''))
        .unwrap_or(found.len());
    // Punctuation after an address belongs to the sentence.
    Some((
        start,
        found[..end]
            .trim_end_matches(['.', ',', ';', ':', '!', '?', ')'])
            .len(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_are_found_in_text() {
        let text = "See https://a.example/x?t=1_2, or (http://b.example).\nBye";
        let found: Vec<_> = parts(text).collect();
        assert_eq!(
            found,
            [
                ("See ", false),
                ("https://a.example/x?t=1_2", true),
                (", or (", false),
                ("http://b.example", true),
                (").\nBye", false),
            ]
        );
        assert_eq!(parts("no address").collect::<Vec<_>>(), [("no address", false)]);
        assert_eq!(parts("").count(), 0);
    }
}

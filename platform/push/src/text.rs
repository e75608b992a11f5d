//! Texts that are cut to the room that there is.

/// The text, or as many of its words as JSON writes in `most` bytes.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    if json_length(text) <= most {
        return text.to_owned();
    }
    let mut length = "…".len();
    let mut end = 0;
    for (at, c) in text.char_indices() {
        length += json_length(c.encode_utf8(&mut [0; 4]));
        if length > most {
            break;
        }
        end = at + c.len_utf8();
    }
    let part = &text[..end];
    // At the end of a word, unless that is far away.
    let word = part.rfind(char::is_whitespace).filter(|at| *at > end / 2);
    format!("{}…", part[..word.unwrap_or(end)].trim_end())
}

/// Bytes that JSON takes for it, without quotes.
#[must_use]
pub fn json_length(text: &str) -> usize {
    let length = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if u32::from(c) < 32 => 6,
        c => c.len_utf8(),
    };
    text.chars().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 2000;

    #[test]
    fn a_long_text_ends_with_a_whole_word() {
        assert_eq!(shortened("short", 10), "short");
        assert_eq!(shortened("one two three four", 14), "one two…");
        assert_eq!(shortened("onetwothreefour", 10), "onetwot…");
        for text in ["ä".repeat(3000), "\"\u{1}".repeat(3000), "a b ".repeat(3000)] {
            let short = shortened(&text, MOST);
            let json = serde_json::to_string(&short).unwrap();
            assert!(json.len() <= MOST + 2 && json.len() > MOST / 2, "{}", json.len());
            assert!(short.ends_with('…'));
        }
    }

    #[test]
    fn lengths_are_those_of_json() {
        for text in [
            "plain",
            "a\"b\\c\nd\re\tf\u{1}g\u{8}h\u{c}",
            "äö€😀\u{7f}\u{2028}",
        ] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(json_length(text) + 2, json.len(), "{text:?}");
        }
    }
}

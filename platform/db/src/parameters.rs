//! The parameters of a statement, by its text.

/// The numbers of `$1`, `$2` … in the order of the text, without what stands in quotes and comments.
fn parameters(sql: &str) -> impl Iterator<Item = usize> {
    let mut rest = sql.bytes().peekable();
    std::iter::from_fn(move || {
        loop {
            match rest.next()? {
                // A doubled quote ends one text and begins the next.
                quote @ (b'\'' | b'"') => while rest.next().is_some_and(|inner| inner != quote) {},
                b'-' if rest.peek() == Some(&b'-') => {
                    while rest.next().is_some_and(|inner| inner != b'\n') {}
                }
                b'$' => {
                    let mut number = 0_usize;
                    while let Some(digit) = rest.next_if(u8::is_ascii_digit) {
                        number = number
                            .saturating_mul(10)
                            .saturating_add(usize::from(digit - b'0'));
                    }
                    return Some(number);
                }
                _ => {}
            }
        }
    })
}

/// The highest number.
pub(crate) fn highest_parameter(sql: &str) -> usize {
    parameters(sql).max().unwrap_or(0)
}

/// The highest number, where `$1` appears first, then `$2`, and so on: then the place of each first appearance is its number.
pub(crate) fn count_in_order(sql: &str) -> Option<usize> {
    parameters(sql).try_fold(0, |highest, number| {
        if number == highest + 1 {
            Some(number)
        } else {
            (1..=highest).contains(&number).then_some(highest)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_outside_of_quotes_and_comments() {
        for (sql, highest) in [
            ("SELECT 1", 0),
            ("SELECT $2, $1", 2),
            ("SELECT '$3', 'it''s $4', \"$5\", $1 -- $6", 1),
            ("SELECT $1 -- '\n, $2", 2),
            ("SELECT a-$10", 10),
        ] {
            assert_eq!(highest_parameter(sql), highest, "{sql}");
        }
    }

    #[test]
    fn order_is_that_of_first_appearances() {
        for (sql, count) in [
            ("SELECT 1", Some(0)),
            ("SELECT $1, $2, $1, $3, $2", Some(3)),
            ("SELECT '$2', $1, $2", Some(2)),
            ("SELECT $2, $1", None),
            ("SELECT '$1', $2, $1", None),
            ("SELECT $1, $3", None),
            ("SELECT $0", None),
        ] {
            assert_eq!(count_in_order(sql), count, "{sql}");
        }
    }
}

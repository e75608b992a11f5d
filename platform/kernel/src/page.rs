//! Cursor pages: a stable order, no offsets, no counting.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// Items of a page when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// Items of a page at most.
pub const MAX_LIMIT: u32 = 100;

const NUL: &[u8] = b"\\u0000";

/// Which page of a list is wanted.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// `next_cursor` of the page before; none for the first page.
    pub cursor: Option<String>,
    /// Items at most.
    pub limit: u32,
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Pass as `cursor` for the page after this one; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Cuts `rows`, which were asked for with a limit of `limit + 1`, to a page.
    /// `position` says what of the last row the next page starts after.
    pub fn cut<P: Serialize>(mut rows: Vec<T>, limit: u32, position: impl Fn(&T) -> P) -> Self {
        let limit = limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|last| Cursor::encode(&position(last)));
        Self {
            items: rows,
            next_cursor,
        }
    }

    /// The same page with each item turned into another.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

/// A place in a list, opaque to callers.
pub struct Cursor;

/// The text is not a cursor that this list gave out.
#[derive(Debug, thiserror::Error)]
#[error("not a cursor that this list gave out")]
pub struct CursorError;

impl Cursor {
    /// Writes a position as a cursor.
    pub fn encode<P: Serialize>(position: &P) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
    }

    /// Reads a position back.
    ///
    /// # Errors
    /// When the text was not made by [`Cursor::encode`] for the same type, or holds U+0000, which no database takes.
    pub fn decode<P: DeserializeOwned>(text: &str) -> Result<P, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        // In JSON it can only be written as an escape.
        if bytes.windows(NUL.len()).any(|window| window == NUL) {
            return Err(CursorError);
        }
        serde_json::from_slice(&bytes).map_err(|_| CursorError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: u32, limit: u32) -> Page<u32> {
        Page::cut((1..=rows).collect(), limit, |row| ("at", *row))
    }

    #[test]
    fn a_page_with_more_behind_it_says_where_to_go_on() {
        let page = page(4, 3);
        assert_eq!(page.items, [1, 2, 3]);
        let position: (String, u32) = Cursor::decode(&page.next_cursor.unwrap()).unwrap();
        assert_eq!(position, ("at".to_owned(), 3));
    }

    #[test]
    fn the_last_page_has_no_next() {
        for rows in 0..=3 {
            let page = page(rows, 3);
            assert_eq!((page.items.len(), page.next_cursor), (rows as usize, None));
        }
    }

    #[test]
    fn mapping_keeps_the_place() {
        let page = page(4, 3);
        let next = page.next_cursor.clone();
        let mapped = page.map(|row| row.to_string());
        assert_eq!(
            (mapped.items, mapped.next_cursor),
            (["1", "2", "3"].map(String::from).to_vec(), next)
        );
    }

    #[test]
    fn going_on_from_cursor_to_cursor_sees_every_row_once() {
        let all: Vec<u32> = (1..=50).collect();
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let rows: Vec<u32> = all.iter().copied().filter(|row| *row > after).take(8).collect();
            let page = Page::cut(rows, 7, |row| *row);
            seen.extend(page.items);
            match page.next_cursor {
                Some(cursor) => after = Cursor::decode(&cursor).unwrap(),
                None => break,
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_cursor_of_another_list_or_of_nobodys_making_is_refused() {
        let cursor = Cursor::encode(&("at", 3));
        assert!(
            cursor
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')),
            "{cursor}"
        );
        assert!(Cursor::decode::<u32>(&cursor).is_err());
        for text in ["", "?", "e30=", "ä", "bm8"] {
            assert!(Cursor::decode::<(String, u32)>(text).is_err(), "{text}");
        }
        for text in ["\0", "a\0b"] {
            assert!(
                Cursor::decode::<String>(&Cursor::encode(&text)).is_err(),
                "{text:?}"
            );
        }
    }
}

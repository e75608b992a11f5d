//! `Range`: which parts of an object are asked for.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// Ranges that one request may name. Of more the whole is given, as of what cannot be read.
const MAX: usize = 32;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ranges {
    Whole,
    /// These, in the order they were asked for; those that overlap or touch are one.
    Parts(Vec<Range<u64>>),
    /// Nothing of it is there.
    Unsatisfiable,
}

/// Reads the header for something of `size` bytes.
pub(super) fn ranges(headers: &HeaderMap, size: u64) -> Ranges {
    let mut lines = headers.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Ranges::Whole;
    };
    let specs = line.to_str().ok().and_then(|line| {
        let (unit, specs) = line.split_once('=')?;
        unit.trim().eq_ignore_ascii_case("bytes").then_some(specs)
    });
    match specs.and_then(|specs| parse(specs, size)) {
        None => Ranges::Whole,
        Some(parts) if parts.is_empty() => Ranges::Unsatisfiable,
        Some(parts) => Ranges::Parts(joined(parts)),
    }
}

/// Those that are there; none if it cannot be read, or are too many.
fn parse(specs: &str, size: u64) -> Option<Vec<Range<u64>>> {
    let specs: Vec<&str> = specs
        .split(',')
        .map(str::trim)
        .filter(|spec| !spec.is_empty())
        .collect();
    if specs.is_empty() || specs.len() > MAX {
        return None;
    }
    let mut parts = Vec::new();
    for spec in specs {
        let (first, last) = spec.split_once('-')?;
        let range = match (number(first)?, number(last)?) {
            (None, None) => return None,
            (None, Some(suffix)) => size.saturating_sub(suffix)..size,
            (Some(first), None) => first..size,
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            (Some(_), Some(_)) => return None,
        };
        if range.start < range.end {
            parts.push(range);
        }
    }
    Some(parts)
}

/// None within: nothing is given. A number too large to be kept is as good as the largest.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

fn joined(parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = Vec::new();
    for mut part in parts {
        // Whatever it touches becomes part of it, and stands where the first of them stood.
        let mut place = all.len();
        while let Some(at) = all
            .iter()
            .position(|other| part.start <= other.end && other.start <= part.end)
        {
            let other = all.remove(at);
            part = part.start.min(other.start)..part.end.max(other.end);
            place = place.min(at);
        }
        all.insert(place.min(all.len()), part);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, size: u64) -> Ranges {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, text.parse().unwrap());
        ranges(&headers, size)
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "they are lists of one range")]
    fn what_is_asked_for_is_what_there_is_of_it() {
        for (text, parts) in [
            ("bytes=0-0", &[0..1][..]),
            ("bytes=0-", &[0..10]),
            ("bytes=5-100", &[5..10]),
            ("bytes=-3", &[7..10]),
            ("bytes=-100", &[0..10]),
            ("Bytes = 2-3", &[2..4]),
            ("bytes=0-0, -1", &[0..1, 9..10]),
            ("bytes=8-9,0-1", &[8..10, 0..2]),
            ("bytes=0-3,4-5", &[0..6]),
            ("bytes=0-1,8-9,1-8", &[0..10]),
            ("bytes=0-1,50-60", &[0..2]),
            ("bytes=0-99999999999999999999999", &[0..10]),
        ] {
            assert_eq!(of(text, 10), Ranges::Parts(parts.to_vec()), "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_and_what_cannot_be_read_is_left_aside() {
        for text in [
            "bytes=10-",
            "bytes=10-20,30-",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            assert_eq!(of(text, 10), Ranges::Unsatisfiable, "{text}");
        }
        let many = format!("bytes={}", "0-0,".repeat(33));
        for text in [
            "bytes=",
            "bytes=-",
            "bytes=3-2",
            "bytes=a-b",
            "lines=0-1",
            "0-1",
            "bytes=+1-2",
            &many,
        ] {
            assert_eq!(of(text, 10), Ranges::Whole, "{text}");
        }
        assert_eq!(of("bytes=0-", 0), Ranges::Unsatisfiable);
        assert_eq!(ranges(&HeaderMap::new(), 10), Ranges::Whole);
    }
}

//! Finding what in a batch the database does not take.

use std::ops::Range;

/// Cuts a batch in two, again and again, until what is at fault stands alone. Its parts come in order.
pub(crate) struct Halves(Vec<Range<usize>>);

impl Halves {
    pub(crate) fn of(count: usize) -> Self {
        Self(std::iter::once(0..count).collect())
    }

    /// The next part to be kept, if not all is.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        self.0.pop()
    }

    /// Has a part come again.
    pub(crate) fn again(&mut self, part: Range<usize>) {
        self.0.push(part);
    }

    /// This part was not taken: it comes again in two halves. Where it is a single one, that one is returned.
    pub(crate) fn refused(&mut self, part: Range<usize>) -> Option<usize> {
        if part.len() <= 1 {
            return Some(part.start);
        }
        let middle = part.start + part.len() / 2;
        self.0.push(middle..part.end);
        self.0.push(part.start..middle);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_at_fault_are_found_and_the_others_are_kept_in_order() {
        let (mut halves, mut kept, mut found) = (Halves::of(100), Vec::new(), Vec::new());
        while let Some(part) = halves.next() {
            if part.contains(&0) || part.contains(&61) || part.contains(&62) {
                found.extend(halves.refused(part));
            } else {
                kept.extend(part);
            }
        }
        assert_eq!(found, [0, 61, 62]);
        let whole: Vec<_> = (0..100).filter(|at| !found.contains(at)).collect();
        assert_eq!(kept, whole);
    }
}

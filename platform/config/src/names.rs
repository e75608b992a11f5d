//! The name that was probably meant.

/// Of `known`, the one nearest to `name`, if it is near enough to have been meant. Names are parted by `mark`.
pub(crate) fn nearest<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    mark: &str,
) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(name, candidate);
    let slip = known
        .clone()
        .map(|candidate| (distance(candidate), candidate))
        .min()?;
    if slip.0 <= (name.len() / 5).max(2) {
        return Some(slip.1);
    }
    // The right key in the wrong section.
    let last = name.rsplit(mark).next()?;
    known
        .filter(|candidate| candidate.rsplit(mark).next() == Some(last))
        .min_by_key(|candidate| distance(candidate))
}

/// A sentence to be added to a refusal, or nothing.
pub(crate) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone, mark: &str) -> String {
    nearest(name, known, mark)
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default()
}

//! Which events an endpoint wants: names, whole nouns (`user.*`), or everything (`*`).

use crate::{catalogue::Catalogue, owner::EndpointOwner};

/// Filters of one endpoint, at most.
pub(crate) const MOST: usize = 100;

/// Whether one of the filters wants events of this name.
pub(crate) fn want(filters: &[String], name: &str) -> bool {
    filters.iter().any(|filter| matches(filter, name))
}

fn matches(filter: &str, name: &str) -> bool {
    match filter.strip_suffix(".*") {
        Some(noun) => name.strip_prefix(noun).is_some_and(|rest| rest.starts_with('.')),
        None => filter == "*" || filter == name,
    }
}

/// Whether there is an event type that the filter wants and the owner may be given.
pub(crate) fn is_known(filter: &str, catalogue: &Catalogue, owner: EndpointOwner) -> bool {
    filter == "*" || catalogue.of(owner).any(|event| matches(filter, event.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_names_whole_nouns_or_everything() {
        for (filter, name, wanted) in [
            ("*", "user.registered", true),
            ("user.*", "user.registered", true),
            ("user.*", "users.changed", false),
            ("user.*", "user", false),
            ("user.registered", "user.registered", true),
            ("user.registered", "user.registered.twice", false),
            ("user", "user.registered", false),
            ("", "user.registered", false),
            (".*", "user.registered", false),
        ] {
            assert_eq!(want(&[filter.to_owned()], name), wanted, "{filter} {name}");
        }
    }
}

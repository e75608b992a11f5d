//! Names of permissions: those that auth asks for itself, and the form of all others.

use stoa_http::{field_error, openapi::Permission};
use stoa_kernel::OrganizationRole;

/// Longest name.
const LONGEST: usize = 64;

/// What auth's own endpoints ask for. Other services' names are known to them alone.
pub(crate) const OURS: &[&str] = &[
    "access.explain",
    "accounts.read",
    "accounts.write",
    "audit.read",
    "grants.read",
    "grants.write",
    "roles.assign",
    "roles.read",
    "roles.write",
];

/// The permissions of all services.
pub(crate) struct Known(Vec<Permission>);

impl Known {
    /// These, and auth's own.
    pub(crate) fn new(mut known: Vec<Permission>) -> Self {
        known.extend(OURS.iter().map(|&name| Permission {
            name: name.to_owned(),
            organization_roles: Vec::new(),
        }));
        Self(known)
    }

    /// Whether there is such a permission, or for `noun.*` any of that noun.
    pub(crate) fn has(&self, name: &str) -> bool {
        match name.strip_suffix('*') {
            Some(noun) => self.0.iter().any(|known| known.name.starts_with(noun)),
            None => self.0.iter().any(|known| known.name == name),
        }
    }
}

impl Known {
    /// Whether a role in an organization holds this permission, or for `noun.*` one of that noun.
    pub(crate) fn is_of_organizations(&self, name: &str) -> bool {
        let held = self.0.iter().filter(|known| !known.organization_roles.is_empty());
        let mut names = held.map(|known| known.name.as_str());
        match name.strip_suffix('*') {
            Some(noun) => names.any(|known| known.starts_with(noun)),
            None => names.any(|known| known == name),
        }
    }

    /// The roles that hold this permission on the things of their organization.
    pub(crate) fn organization_roles(&self, name: &str) -> &[OrganizationRole] {
        let known = self.0.iter().find(|known| known.name == name);
        known.map_or(&[], |known| &known.organization_roles)
    }
}

/// Whether the name is about one of the nouns that are auth's.
pub(crate) fn is_ours(name: &str) -> bool {
    let noun = |name: &str| name.split_once('.').map(|(noun, _)| noun.to_owned());
    OURS.iter().any(|ours| noun(ours) == noun(name))
}

/// For `garde`: a permission as roles and grants name it: `noun.verb`, a whole noun `noun.*`, or everything `*`.
pub(crate) fn is_permission(name: &str, (): &()) -> garde::Result {
    if name == "*" {
        return Ok(());
    }
    let Some((noun, verb)) = name.split_once('.').filter(|_| name.len() <= LONGEST) else {
        return Err(malformed());
    };
    if !is_word(noun) || !(verb == "*" || is_word(verb)) {
        return Err(malformed());
    }
    if is_ours(name) && verb != "*" && !OURS.contains(&name) {
        return Err(field_error("unknown_permission", "Unknown permission"));
    }
    Ok(())
}

/// For `garde`: a scope of an API key: a permission, but not everything.
pub(crate) fn is_scope(name: &str, (): &()) -> garde::Result {
    if name == "*" {
        return Err(field_error(
            "invalid",
            "A key cannot have every permission; name its scopes",
        ));
    }
    is_permission(name, &())
}

/// For `garde`: the kind of a thing, such as `profile`.
pub(crate) fn is_kind(name: &str, (): &()) -> garde::Result {
    if is_word(name) && name.len() <= LONGEST {
        Ok(())
    } else {
        Err(field_error(
            "format",
            "Lower-case letters, digits and _ are accepted",
        ))
    }
}

fn malformed() -> garde::Error {
    field_error("format", "Expected a name such as users.read, users.* or *")
}

fn is_word(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_a_noun_and_a_verb() {
        for name in [
            "*",
            "users.read",
            "users.*",
            "data_rooms.read_all",
            "roles.*",
            "audit.read",
        ] {
            assert!(is_permission(name, &()).is_ok(), "{name}");
        }
        let long = format!("{}.read", "a".repeat(LONGEST));
        for name in [
            "",
            ".",
            "users",
            "users.",
            ".read",
            "*.read",
            "Users.read",
            "users.read.all",
            "users.r*",
            "a b.c",
            "1.read",
            "audit.write",
            "roles.grant",
            &long,
        ] {
            assert!(is_permission(name, &()).is_err(), "{name}");
        }
        assert!(is_scope("*", &()).is_err());
    }
}

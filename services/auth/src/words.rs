//! What is said in words, on pages.

use stoa_kernel::OrganizationRole;

/// "a member", "an owner".
pub(crate) fn with_article(role: OrganizationRole) -> String {
    let name = role.name();
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {name}")
}

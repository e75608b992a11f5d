//! What categories are called where people read of them.

/// Titles in English and German of the categories that the services of this program have. Others are called by their name.
const TITLES: [(&str, &str, &str); 3] = [
    ("account", "Your account", "Ihr Konto"),
    ("organization", "Organizations", "Organisationen"),
    ("security", "Security", "Sicherheit"),
];

/// The title of a category in German, or else in English.
pub(crate) fn title(category: &str, is_german: bool) -> String {
    let known = TITLES.iter().find(|(name, ..)| *name == category);
    match known {
        Some((_, _, german)) if is_german => (*german).to_owned(),
        Some((_, english, _)) => (*english).to_owned(),
        None => spoken(category),
    }
}

/// `price_alerts` as "Price alerts".
fn spoken(name: &str) -> String {
    let words = name.replace(['_', '-', '.'], " ");
    let mut letters = words.trim().chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_has_a_title() {
        for (category, is_german, expected) in [
            ("account", false, "Your account"),
            ("account", true, "Ihr Konto"),
            ("price_alerts", true, "Price alerts"),
            ("", false, ""),
        ] {
            assert_eq!(title(category, is_german), expected);
        }
    }
}

//! Whether a log is sealed, for those who ask beside the sealer.

use std::sync::Arc;

use parking_lot::Mutex;

/// What the sealer found at its last look. Clones tell of the same sealer.
#[derive(Clone, Default)]
pub struct Suspension(Arc<Mutex<Found>>);

#[derive(Default)]
enum Found {
    /// It has not looked yet.
    #[default]
    Nothing,
    Fine,
    Tampered(String),
}

impl Suspension {
    /// Why nothing is sealed; none while the log is sealed.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        match &*self.0.lock() {
            Found::Tampered(why) => Some(why.clone()),
            Found::Nothing | Found::Fine => None,
        }
    }

    /// Whether the sealer has looked, and found nothing wrong.
    pub(crate) fn is_fine(&self) -> bool {
        matches!(&*self.0.lock(), Found::Fine)
    }

    pub(crate) fn set(&self, objection: Option<&str>) {
        *self.0.lock() = objection.map_or(Found::Fine, |why| Found::Tampered(why.to_owned()));
    }
}

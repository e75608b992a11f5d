//! One picture at a time for each person, whatever it is to be a picture of.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use stoa_kernel::UserId;

use crate::PictureError;

/// Those of whom a picture waits or is decoded in this process.
static BUSY: LazyLock<Mutex<HashSet<UserId>>> = LazyLock::new(Mutex::default);

fn busy() -> MutexGuard<'static, HashSet<UserId>> {
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The only upload of a person. Dropped when it waits no longer and nothing of it is decoded any more.
pub(crate) struct Upload(UserId);

impl Upload {
    /// # Errors
    /// [`PictureError::OneAtATime`] while there is another of this person.
    pub(crate) fn begin(user: UserId) -> Result<Self, PictureError> {
        if busy().insert(user) {
            Ok(Self(user))
        } else {
            Err(PictureError::OneAtATime)
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        busy().remove(&self.0);
    }
}

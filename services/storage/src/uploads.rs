//! How many uploads are under way at once, of one caller and in this process: each takes up memory and a connection.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use uuid::Uuid;

use crate::error::Error;

/// Cheap to clone; clones count together.
#[derive(Clone)]
pub(crate) struct Uploads(Arc<Inner>);

struct Inner {
    max: usize,
    per_caller: usize,
    under_way: Mutex<HashMap<Uuid, usize>>,
}

/// One of them, until it is dropped.
pub(crate) struct Upload {
    uploads: Uploads,
    caller: Uuid,
}

impl Uploads {
    pub(crate) fn new(max: usize, per_caller: usize) -> Self {
        Self(Arc::new(Inner {
            max,
            per_caller,
            under_way: Mutex::default(),
        }))
    }

    /// # Errors
    /// When there are as many already as there may be.
    pub(crate) fn begin(&self, caller: Uuid) -> Result<Upload, Error> {
        let mut under_way = self.0.under_way.lock();
        if under_way
            .get(&caller)
            .is_some_and(|count| *count >= self.0.per_caller)
        {
            return Err(Error::TooManyUploads(self.0.per_caller));
        }
        // There are few, so they are counted anew.
        if under_way.values().sum::<usize>() >= self.0.max {
            return Err(Error::Busy("storage.uploads_max is reached"));
        }
        *under_way.entry(caller).or_default() += 1;
        Ok(Upload {
            uploads: self.clone(),
            caller,
        })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut under_way = self.uploads.0.under_way.lock();
        if let Some(count) = under_way.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_cannot_take_all_the_room_and_gives_it_back() {
        let uploads = Uploads::new(3, 2);
        let [one, other, third] = [1, 2, 3].map(Uuid::from_u128);
        let held = [uploads.begin(one), uploads.begin(one), uploads.begin(other)];
        assert!(held.iter().all(Result::is_ok));
        assert!(matches!(uploads.begin(one), Err(Error::TooManyUploads(2))));
        assert!(matches!(uploads.begin(third), Err(Error::Busy(_))));
        drop(held);
        assert!(uploads.begin(one).is_ok());
        assert!(uploads.0.under_way.lock().is_empty());
    }
}

//! How many uploads are under way at once, of one caller and in this process: each takes up memory and a connection.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use crate::error::Error;

/// How long somebody waits for room.
const PATIENCE: Duration = Duration::from_secs(20);

/// Cheap to clone; clones count together.
#[derive(Clone)]
pub(crate) struct Uploads(Arc<Inner>);

struct Inner {
    max: usize,
    per_caller: usize,
    under_way: Mutex<HashMap<Uuid, usize>>,
    /// Notified when one ends.
    ended: Notify,
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
            ended: Notify::new(),
        }))
    }

    /// Waits until the caller has room for one more, but not for long: for protocols whose clients begin more at once than there is
    /// room for, and take a refusal for a failure.
    pub(crate) async fn room(&self, caller: Uuid) {
        let waiting = async {
            loop {
                let ended = self.0.ended.notified();
                if self.has_room(caller) {
                    return;
                }
                ended.await;
            }
        };
        // A caller who has waited in vain is refused.
        let _ = timeout(PATIENCE, waiting).await;
    }

    fn has_room(&self, caller: Uuid) -> bool {
        let under_way = self.0.under_way.lock();
        let own = under_way.get(&caller).copied().unwrap_or_default();
        own < self.0.per_caller && under_way.values().sum::<usize>() < self.0.max
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
        drop(under_way);
        self.uploads.0.ended.notify_waiters();
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

    #[tokio::test]
    async fn who_waits_has_the_room_of_one_that_ends() {
        let uploads = Uploads::new(3, 1);
        let caller = Uuid::from_u128(1);
        let held = uploads.begin(caller).unwrap_or_else(|_| unreachable!());
        let waiting = tokio::spawn({
            let uploads = uploads.clone();
            async move {
                uploads.room(caller).await;
                uploads.begin(caller).is_ok()
            }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap());
    }
}

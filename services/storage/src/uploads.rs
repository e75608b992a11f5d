//! How many uploads are under way at once, of one caller, of one network and in this process: each takes up memory and a connection.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stoa_kernel::network_of;
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use crate::error::Error;

/// How long somebody waits for room.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who is counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A person, whatever they act for.
    Person(Uuid),
    /// All who use links into the buckets of this owner, who are not counted as the owner: strangers may have a link.
    Links(Uuid),
}

/// Whose upload it is, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    caller: Caller,
    network: IpAddr,
}

impl Sender {
    pub(crate) fn new(caller: Caller, address: IpAddr) -> Self {
        let network = network_of(address);
        Self { caller, network }
    }

    /// A person's who is signed in.
    pub(crate) fn of(actor: &stoa_kernel::Actor) -> Self {
        Self::new(Caller::Person(actor.user_id.uuid()), actor.request.address)
    }
}

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) in_all: usize,
    pub(crate) of_caller: usize,
    pub(crate) of_network: usize,
}

/// Cheap to clone; clones count together.
#[derive(Clone)]
pub(crate) struct Uploads(Arc<Inner>);

struct Inner {
    most: Most,
    /// There are few, so they are counted anew each time.
    under_way: Mutex<Vec<Sender>>,
    /// Notified when one ends.
    ended: Notify,
}

/// One of them, until it is dropped.
pub(crate) struct Upload {
    uploads: Uploads,
    sender: Sender,
}

impl Uploads {
    pub(crate) fn new(most: Most) -> Self {
        Self(Arc::new(Inner {
            most,
            under_way: Mutex::default(),
            ended: Notify::new(),
        }))
    }

    /// Waits until there is room for one more, but not for long: for protocols whose clients begin more at once than there is
    /// room for, and take a refusal for a failure.
    pub(crate) async fn room(&self, sender: Sender) {
        let waiting = async {
            loop {
                let ended = self.0.ended.notified();
                if self.0.most.refuse(&self.0.under_way.lock(), sender).is_ok() {
                    return;
                }
                ended.await;
            }
        };
        // A caller who has waited in vain is refused.
        let _ = timeout(PATIENCE, waiting).await;
    }

    /// # Errors
    /// When there are as many already as there may be.
    pub(crate) fn begin(&self, sender: Sender) -> Result<Upload, Error> {
        let mut under_way = self.0.under_way.lock();
        self.0.most.refuse(&under_way, sender)?;
        under_way.push(sender);
        Ok(Upload {
            uploads: self.clone(),
            sender,
        })
    }
}

impl Most {
    fn refuse(self, under_way: &[Sender], sender: Sender) -> Result<(), Error> {
        let count = |is_meant: &dyn Fn(&Sender) -> bool| under_way.iter().filter(|one| is_meant(one)).count();
        if count(&|one| one.caller == sender.caller) >= self.of_caller {
            return Err(Error::TooManyUploads("one caller", self.of_caller));
        }
        if count(&|one| one.network == sender.network) >= self.of_network {
            return Err(Error::TooManyUploads("one network", self.of_network));
        }
        if under_way.len() >= self.in_all {
            return Err(Error::Busy("storage.uploads_max is reached"));
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let mut under_way = self.uploads.0.under_way.lock();
        if let Some(at) = under_way.iter().position(|one| *one == self.sender) {
            under_way.swap_remove(at);
        }
        drop(under_way);
        self.uploads.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uploads(in_all: usize, of_caller: usize, of_network: usize) -> Uploads {
        Uploads::new(Most {
            in_all,
            of_caller,
            of_network,
        })
    }

    fn person(number: u128, network: u8) -> Sender {
        let address = IpAddr::from([10, 0, network, 7]);
        Sender::new(Caller::Person(Uuid::from_u128(number)), address)
    }

    #[test]
    fn one_caller_cannot_take_all_the_room_and_gives_it_back() {
        let uploads = uploads(3, 2, 3);
        let [one, other, third] = [person(1, 1), person(2, 2), person(3, 3)];
        let held = [uploads.begin(one), uploads.begin(one), uploads.begin(other)];
        assert!(held.iter().all(Result::is_ok));
        // Wherever they are.
        let elsewhere = uploads.begin(person(1, 9));
        assert!(matches!(elsewhere, Err(Error::TooManyUploads("one caller", 2))));
        assert!(matches!(uploads.begin(third), Err(Error::Busy(_))));
        drop(held);
        assert!(uploads.begin(one).is_ok());
        assert!(uploads.0.under_way.lock().is_empty());
    }

    #[test]
    fn one_network_cannot_take_all_the_room() {
        let uploads = uploads(4, 2, 3);
        let held = [1, 1, 2].map(|number| uploads.begin(person(number, 1)));
        assert!(held.iter().all(Result::is_ok));
        let refused = uploads.begin(person(3, 1));
        assert!(matches!(refused, Err(Error::TooManyUploads("one network", 3))));
        assert!(uploads.begin(person(3, 2)).is_ok());
    }

    #[tokio::test]
    async fn who_waits_has_the_room_of_one_that_ends() {
        let uploads = uploads(3, 1, 3);
        let caller = person(1, 1);
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

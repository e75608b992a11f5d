//! Slots for connections: so many in all and so many for one address. Who comes when there is none left takes that of a
//! connection without a request under way, so that connections that say nothing never keep anybody out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use stoa_cache::LimitKey;
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;

/// Between two looks for a connection that has nothing to do, while all slots are taken.
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct Slots {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    total: usize,
    last: u64,
    by_address: HashMap<LimitKey, Address>,
}

#[derive(Default)]
struct Address {
    /// Whether it is a trusted proxy's, which speaks for many.
    trusted: bool,
    /// In the order in which they came.
    seats: BTreeMap<u64, Seat>,
}

#[derive(Clone)]
struct Seat {
    activity: Activity,
    evicted: CancellationToken,
}

/// One connection's, given back when dropped.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    address: LimitKey,
    number: u64,
    seat: Seat,
}

/// Why there is no slot: connections with requests under way have them all.
#[derive(Debug)]
enum Full {
    /// All that one address may have.
    Address,
    /// All that there are.
    All,
}

impl Slots {
    pub(super) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one,
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A slot for a connection of `peer`, waited for; none if all that its address may have are taken by connections with
    /// requests under way.
    pub(super) async fn find(self: &Arc<Self>, peer: IpAddr, trusted: bool) -> Option<Slot> {
        loop {
            let freed = self.freed.notified();
            match self.take(peer, trusted) {
                Ok(slot) => return Some(slot),
                Err(Full::Address) => return None,
                Err(Full::All) => {}
            }
            tokio::select! {
                () = freed => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    fn take(self: &Arc<Self>, peer: IpAddr, trusted: bool) -> Result<Slot, Full> {
        let key = LimitKey::address(peer);
        let mut taken = self.taken.lock();
        let own = taken
            .by_address
            .get(&key)
            .map_or(0, |address| address.seats.len());
        if own >= self.most_of_one && !trusted {
            taken.evict(Some(key)).ok_or(Full::Address)?;
        }
        if taken.total >= self.most {
            taken.evict(None).ok_or(Full::All)?;
        }
        taken.last += 1;
        taken.total += 1;
        let (number, seat) = (
            taken.last,
            Seat {
                activity: Activity::default(),
                evicted: CancellationToken::new(),
            },
        );
        let address = taken.by_address.entry(key).or_default();
        address.trusted = trusted;
        address.seats.insert(number, seat.clone());
        Ok(Slot {
            slots: Arc::clone(self),
            address: key,
            number,
            seat,
        })
    }
}

impl Taken {
    /// Closes a connection without a request under way: of the address that has most of them, and there one that never made a
    /// request before others. None if there is no such connection.
    fn evict(&mut self, of: Option<LimitKey>) -> Option<()> {
        let addresses = self
            .by_address
            .iter()
            .filter(|(key, _)| of.is_none_or(|of| of == **key));
        let idle = addresses.flat_map(|(key, address)| {
            let idle = address.seats.iter().filter(|(_, seat)| seat.activity.is_idle());
            idle.map(|(number, seat)| {
                let rank = (
                    address.trusted,
                    Reverse(address.seats.len()),
                    seat.activity.was_used(),
                );
                (rank, *number, *key)
            })
        });
        let (_, number, key) = idle.min_by_key(|(rank, number, _)| (*rank, *number))?;
        self.remove(key, number)?.evicted.cancel();
        Some(())
    }

    fn remove(&mut self, key: LimitKey, number: u64) -> Option<Seat> {
        let address = self.by_address.get_mut(&key)?;
        let seat = address.seats.remove(&number)?;
        if address.seats.is_empty() {
            self.by_address.remove(&key);
        }
        self.total -= 1;
        Some(seat)
    }
}

impl Slot {
    /// What happens on the connection.
    pub(super) fn activity(&self) -> &Activity {
        &self.seat.activity
    }

    /// Returns once the slot is somebody else's.
    pub(super) async fn evicted(&self) {
        self.seat.evicted.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.lock().remove(self.address, self.number);
        self.slots.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn is_evicted(slot: &Slot) -> bool {
        slot.seat.evicted.is_cancelled()
    }

    #[test]
    fn an_address_has_its_share_and_takes_from_itself() {
        let slots = Slots::new(100, 2);
        let other = slots.take(OTHER, false).unwrap();
        let [first, second] = [0, 1].map(|_| slots.take(ONE, false).unwrap());
        let busy = first.activity().busy();
        let third = slots.take(ONE, false).unwrap();
        assert!(is_evicted(&second) && !is_evicted(&first) && !is_evicted(&other));
        let _busy = third.activity().busy();
        assert!(slots.take(ONE, false).is_err(), "both are at work");
        drop(busy);
        assert!(slots.take(ONE, false).is_ok());
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share_one_limit() {
        let slots = Slots::new(100, 1);
        let take = |address: &str| slots.take(address.parse().unwrap(), false).unwrap();
        let first = take("2001:db8::1");
        let _second = take("2001:db8::ffff:2");
        assert!(is_evicted(&first));
        let third = take("2001:db8:0:1::1");
        let _fourth = take("2001:db8:0:2::1");
        assert!(!is_evicted(&third));
    }

    #[test]
    fn when_all_places_are_taken_the_address_with_most_of_them_gives_way() {
        let slots = Slots::new(4, 100);
        let other = slots.take(OTHER, false).unwrap();
        let used = slots.take(ONE, false).unwrap();
        drop(used.activity().busy());
        let silent = slots.take(ONE, false).unwrap();
        let proxy = slots.take("10.0.0.1".parse().unwrap(), true).unwrap();
        let _new = slots.take(OTHER, false).unwrap();
        assert!(is_evicted(&silent), "one that never made a request goes first");
        assert!(!is_evicted(&used) && !is_evicted(&other) && !is_evicted(&proxy));
    }

    #[test]
    fn a_trusted_proxy_speaks_for_many() {
        let slots = Slots::new(10, 1);
        let all: Vec<_> = (0..10).map(|_| slots.take(ONE, true).unwrap()).collect();
        assert!(!all.iter().any(is_evicted));
        drop(all);
        assert_eq!(slots.taken.lock().total, 0);
        assert!(slots.taken.lock().by_address.is_empty());
    }
}

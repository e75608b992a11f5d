//! Work that only so much of is done at once. Networks take turns: somebody who asks for a lot waits behind themselves.

use std::{net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stoa_kernel::{Turns, network_of};
use tokio::{sync::oneshot, time::timeout};

/// How many wait at most, all together.
const WAITING: usize = 100;

/// Cheap to clone; clones are the same.
#[derive(Clone)]
pub(crate) struct Lanes(Arc<Mutex<State>>);

struct State {
    free: usize,
    waiting: Turns<oneshot::Sender<Lane>>,
}

/// The right to work, until it is dropped.
pub(crate) struct Lane(Lanes);

impl Lanes {
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: count,
            waiting: Turns::new(WAITING),
        })))
    }

    /// Waits for a lane, for somebody at `address`. None if none was free for so long, or too many wait.
    pub(crate) async fn lane(&self, address: IpAddr, patience: Duration) -> Option<Lane> {
        let (granted, lane) = oneshot::channel();
        let network = Some(network_of(address));
        let queued = self
            .0
            .lock()
            .waiting
            .push(network, granted, oneshot::Sender::is_closed);
        queued.ok()?;
        self.grant();
        timeout(patience, lane).await.ok()?.ok()
    }

    /// Gives free lanes to those who wait.
    fn grant(&self) {
        // Not while the state is locked: a lane that nobody takes any more is dropped, which gives it to the next.
        while let Some((granted, lane)) = self.next() {
            drop(granted.send(lane));
        }
    }

    fn next(&self) -> Option<(oneshot::Sender<Lane>, Lane)> {
        let mut state = self.0.lock();
        state.waiting.remove(oneshot::Sender::is_closed);
        if state.free == 0 {
            return None;
        }
        let granted = state.waiting.take(|_| true)?;
        state.free -= 1;
        Some((granted, Lane(self.clone())))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.0.0.lock().free += 1;
        self.0.grant();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn from(network: u8) -> IpAddr {
        IpAddr::from([10, 0, network, 7])
    }

    #[tokio::test]
    async fn networks_take_turns_and_those_who_have_gone_are_passed_over() {
        let lanes = Lanes::new(1);
        let first = lanes.lane(from(1), PATIENCE).await;
        assert!(first.is_some());
        let mut own = Box::pin(lanes.lane(from(1), PATIENCE));
        let mut own_again = Box::pin(lanes.lane(from(1), PATIENCE));
        let mut other = Box::pin(lanes.lane(from(2), PATIENCE));
        let mut gone = Box::pin(lanes.lane(from(3), PATIENCE));
        for waiting in [&mut own, &mut own_again, &mut other, &mut gone] {
            assert!(waiting.now_or_never().is_none());
        }
        drop(gone);
        drop(first);
        let second = (&mut own).now_or_never();
        assert!(second.is_some());
        drop(second);
        assert!(
            (&mut own_again).now_or_never().is_none(),
            "the other network's turn"
        );
        drop((&mut other).now_or_never().flatten().unwrap());
        assert!((&mut own_again).now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let lanes = Lanes::new(1);
        let _first = lanes.lane(from(1), PATIENCE).await;
        assert!(lanes.lane(from(2), Duration::from_millis(1)).await.is_none());
    }
}

//! What decoding may take up in this process, whichever services it runs: threads, and memory. Networks take turns.

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use stoa_kernel::{Full, Turns};
use tokio::sync::oneshot;

use crate::PictureError;

/// How long an upload waits for its turn.
const WAIT: Duration = Duration::from_secs(10);
/// Uploads that wait at most, all together. Each has its file in memory.
const WAITING: usize = 100;

static BUDGET: LazyLock<Arc<Budget>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // Half of the cores, for others are served meanwhile.
    Arc::new(Budget::new((cores / 2).max(1)))
});

/// The budget of this process, with at least so many bytes of memory.
pub(crate) fn with_memory(bytes: usize) -> Arc<Budget> {
    BUDGET.provide(bytes as u64);
    Arc::clone(&BUDGET)
}

pub(crate) struct Budget(Mutex<State>);

struct State {
    free_threads: usize,
    /// In bytes, as all memory here.
    memory: u64,
    free_memory: u64,
    waiting: Turns<Waiting>,
}

struct Waiting {
    memory: u64,
    granted: oneshot::Sender<Turn>,
}

/// The turn of one picture. When it is dropped, the next one's comes.
pub(crate) struct Turn {
    budget: Arc<Budget>,
    memory: u64,
}

impl Budget {
    fn new(threads: usize) -> Self {
        Self(Mutex::new(State {
            free_threads: threads,
            memory: 0,
            free_memory: 0,
            waiting: Turns::new(WAITING),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that there is so much memory for pictures.
    fn provide(&self, bytes: u64) {
        let mut state = self.lock();
        let more = bytes.saturating_sub(state.memory);
        state.memory += more;
        state.free_memory += more;
    }

    /// The turn of a picture that needs so many bytes of memory, for somebody at `address`. One that needs more than there is goes
    /// alone.
    pub(crate) async fn turn(self: &Arc<Self>, memory: u64, address: IpAddr) -> Result<Turn, PictureError> {
        let busy = PictureError::Busy("too many pictures are waiting to be decoded");
        let (granted, turn) = oneshot::channel();
        if self.wait(memory, address, granted).is_err() {
            return Err(busy);
        }
        self.grant();
        match tokio::time::timeout(WAIT, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            // Also where its place was needed for another network.
            Ok(Err(_)) | Err(_) => Err(busy),
        }
    }

    fn wait(&self, memory: u64, address: IpAddr, granted: oneshot::Sender<Turn>) -> Result<(), Full> {
        let mut state = self.lock();
        let memory = memory.min(state.memory);
        let network = stoa_kernel::network_of(address);
        state
            .waiting
            .push(Some(network), Waiting { memory, granted }, is_abandoned)
    }

    /// Grants turns for as long as there is room.
    fn grant(self: &Arc<Self>) {
        // Not while the state is locked: a turn that nobody takes any more is dropped, which grants the next one.
        while let Some((granted, turn)) = self.next() {
            drop(granted.send(turn));
        }
    }

    fn next(self: &Arc<Self>) -> Option<(oneshot::Sender<Turn>, Turn)> {
        let mut state = self.lock();
        state.waiting.remove(is_abandoned);
        // No smaller picture overtakes: a large one would never come to its turn.
        let memory = state.waiting.oldest().next()?.memory;
        if state.free_threads == 0 || memory > state.free_memory {
            return None;
        }
        let Waiting { granted, .. } = state.waiting.take(|_| true)?;
        state.free_threads -= 1;
        state.free_memory -= memory;
        let budget = Arc::clone(self);
        Some((granted, Turn { budget, memory }))
    }
}

fn is_abandoned(waiting: &Waiting) -> bool {
    waiting.granted.is_closed()
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        state.free_threads += 1;
        state.free_memory += self.memory;
        drop(state);
        self.budget.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn budget(threads: usize) -> Arc<Budget> {
        let budget = Arc::new(Budget::new(threads));
        budget.provide(100 * MIB);
        budget
    }

    fn from(network: u8) -> IpAddr {
        IpAddr::from([10, 0, network, 7])
    }

    /// Whether the turn has come.
    async fn has_come(turn: &mut (impl Future<Output = Result<Turn, PictureError>> + Unpin)) -> Option<Turn> {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *turn).poll(cx) {
                std::task::Poll::Ready(turn) => turn.ok(),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn networks_take_turns() {
        let budget = budget(1);
        let first = budget.turn(MIB, from(1)).await.ok().unwrap();
        let mut own = pin!(budget.turn(MIB, from(1)));
        assert!(has_come(&mut own).await.is_none());
        let mut own_again = pin!(budget.turn(MIB, from(1)));
        assert!(has_come(&mut own_again).await.is_none());
        let mut other = pin!(budget.turn(MIB, from(2)));
        assert!(has_come(&mut other).await.is_none());

        drop(first);
        let second = has_come(&mut own).await.unwrap();
        assert!(has_come(&mut other).await.is_none());
        drop(second);
        assert!(
            has_come(&mut own_again).await.is_none(),
            "the other network's turn"
        );
        let third = has_come(&mut other).await.unwrap();
        drop(third);
        assert!(has_come(&mut own_again).await.is_some());
    }

    #[tokio::test]
    async fn memory_is_shared_and_nobody_overtakes() {
        let budget = budget(3);
        let large = budget.turn(80 * MIB, from(1)).await.ok().unwrap();
        let mut larger = pin!(budget.turn(1000 * MIB, from(1)));
        assert!(has_come(&mut larger).await.is_none());
        let mut small = pin!(budget.turn(MIB, from(2)));
        assert!(has_come(&mut small).await.is_none());
        drop(large);
        let alone = has_come(&mut larger).await.unwrap();
        assert!(has_come(&mut small).await.is_none());
        drop(alone);
        assert!(has_come(&mut small).await.is_some());
    }

    #[tokio::test]
    async fn those_who_have_gone_are_passed_over() {
        let budget = budget(1);
        let first = budget.turn(MIB, from(1)).await.ok().unwrap();
        {
            let mut gone = pin!(budget.turn(MIB, from(1)));
            assert!(has_come(&mut gone).await.is_none());
        }
        let mut stays = pin!(budget.turn(MIB, from(1)));
        assert!(has_come(&mut stays).await.is_none());
        drop(first);
        assert!(has_come(&mut stays).await.is_some());
    }
}

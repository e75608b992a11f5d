//! Where passwords wait for a lane.

use std::{
    net::IpAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use stoa_kernel::{Full, Turns};

/// Work that waits. Networks take turns; within one the oldest is first.
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

struct Waiting<T> {
    tasks: Turns<(Instant, T)>,
    closed: bool,
}

/// Work for whose answer somebody may wait.
pub(super) trait Awaited {
    /// Whether nobody waits any more.
    fn is_abandoned(&self) -> bool;
}

impl<T: Awaited> Queue<T> {
    /// Of at most `most` tasks.
    pub(super) fn new(most: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                tasks: Turns::new(most),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task. In a full queue it may take the place of another network's, which is dropped.
    pub(super) fn push(&self, network: Option<IpAddr>, task: T) -> Result<(), Full> {
        let task = (Instant::now(), task);
        self.lock()
            .tasks
            .push(network, task, |(_, task)| task.is_abandoned())?;
        // All of them: the one for late tasks must not take the only call.
        self.changed.notify_all();
        Ok(())
    }

    /// The next task, once it has waited for `patience`; none when the queue is closed and empty of such.
    pub(super) fn pop(&self, patience: Duration) -> Option<T> {
        let left = |(since, _): &(Instant, T)| patience.saturating_sub(since.elapsed());
        let mut waiting = self.lock();
        loop {
            if let Some((_, task)) = waiting.tasks.take(|task| left(task).is_zero()) {
                return Some(task);
            }
            if waiting.closed {
                return None;
            }
            let soonest = waiting.tasks.oldest().map(left).min();
            waiting = match soonest {
                Some(left) => {
                    let woken = self.changed.wait_timeout(waiting, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Nobody adds any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str);

    impl Awaited for Named {
        fn is_abandoned(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_patient_lane_takes_what_has_waited_long_enough() {
        let queue = Queue::new(2);
        assert!(queue.push(None, Named("a1")).is_ok());
        queue.close();
        assert!(queue.pop(Duration::from_secs(3600)).is_none());
        assert_eq!(queue.pop(Duration::ZERO).map(|task| task.0), Some("a1"));
    }
}

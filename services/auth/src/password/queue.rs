//! Where passwords wait for a lane: in one line for each network, so that whoever sends many waits behind themselves.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Work that waits. Networks take turns; within one the oldest is first.
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
    most: usize,
}

struct Waiting<T> {
    /// None is empty. The first one's turn is next.
    lines: VecDeque<Line<T>>,
    closed: bool,
}

struct Line<T> {
    /// None: this machine.
    network: Option<IpAddr>,
    tasks: VecDeque<(Instant, T)>,
}

/// Work for whose answer somebody may wait.
pub(super) trait Awaited {
    /// Whether nobody waits any more.
    fn is_abandoned(&self) -> bool;
}

/// No room, or it was taken away for somebody from a network with less.
pub(super) struct Full;

impl<T: Awaited> Queue<T> {
    /// Of at most `most` tasks.
    pub(super) fn new(most: usize) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                lines: VecDeque::new(),
                closed: false,
            }),
            changed: Condvar::new(),
            most,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task. In a full queue it takes the place of the newest one of the longest line, which is dropped, unless its own line
    /// would be the longest then.
    pub(super) fn push(&self, network: Option<IpAddr>, task: T) -> Result<(), Full> {
        let mut waiting = self.lock();
        if waiting.len() >= self.most {
            waiting.remove_abandoned();
        }
        if waiting.len() >= self.most {
            waiting.make_room(network)?;
        }
        waiting.line(network).tasks.push_back((Instant::now(), task));
        drop(waiting);
        // All of them: the one for late tasks must not take the only call.
        self.changed.notify_all();
        Ok(())
    }

    /// The next task, once it has waited for `patience`; none when the queue is closed and empty of such.
    pub(super) fn pop(&self, patience: Duration) -> Option<T> {
        let mut waiting = self.lock();
        loop {
            waiting = match waiting.next(patience) {
                Next::Task(task) => return Some(task),
                _ if waiting.closed => return None,
                Next::In(left) => {
                    self.changed
                        .wait_timeout(waiting, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                Next::Empty => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Nobody adds any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

enum Next<T> {
    Task(T),
    /// The first will have waited long enough after this time.
    In(Duration),
    Empty,
}

impl<T: Awaited> Waiting<T> {
    fn len(&self) -> usize {
        self.lines.iter().map(|line| line.tasks.len()).sum()
    }

    fn remove_abandoned(&mut self) {
        for line in &mut self.lines {
            line.tasks.retain(|(_, task)| !task.is_abandoned());
        }
        self.lines.retain(|line| !line.tasks.is_empty());
    }

    fn make_room(&mut self, network: Option<IpAddr>) -> Result<(), Full> {
        let own = self
            .lines
            .iter()
            .find(|line| line.network == network)
            .map_or(0, |line| line.tasks.len());
        let longest = self.lines.iter_mut().max_by_key(|line| line.tasks.len());
        let longest = longest.filter(|line| line.tasks.len() > own + 1).ok_or(Full)?;
        longest.tasks.pop_back();
        Ok(())
    }

    fn line(&mut self, network: Option<IpAddr>) -> &mut Line<T> {
        let found = self.lines.iter().position(|line| line.network == network);
        let at = found.unwrap_or_else(|| {
            self.lines.push_back(Line {
                network,
                tasks: VecDeque::new(),
            });
            self.lines.len() - 1
        });
        &mut self.lines[at]
    }

    /// Takes from the first line whose oldest task has waited for `patience`. That line's next turn comes after all others'.
    fn next(&mut self, patience: Duration) -> Next<T> {
        let left = |line: &Line<T>| {
            let oldest = line.tasks.front();
            oldest.map_or(patience, |(since, _)| patience.saturating_sub(since.elapsed()))
        };
        let Some(at) = self.lines.iter().position(|line| left(line).is_zero()) else {
            let soonest = self.lines.iter().map(left).min();
            return soonest.map_or(Next::Empty, Next::In);
        };
        let Some(mut line) = self.lines.remove(at) else {
            return Next::Empty;
        };
        let task = line.tasks.pop_front();
        if !line.tasks.is_empty() {
            self.lines.push_back(line);
        }
        task.map_or(Next::Empty, |(_, task)| Next::Task(task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str, bool);

    impl Awaited for Named {
        fn is_abandoned(&self) -> bool {
            self.1
        }
    }

    fn network(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, n, 0]))
    }

    fn drain(queue: &Queue<Named>) -> Vec<&'static str> {
        queue.close();
        std::iter::from_fn(|| queue.pop(Duration::ZERO))
            .map(|task| task.0)
            .collect()
    }

    #[test]
    fn networks_take_turns() {
        let queue = Queue::new(10);
        for (n, name) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (2, "b2"), (3, "c1")] {
            assert!(queue.push(network(n), Named(name, false)).is_ok());
        }
        assert_eq!(drain(&queue), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn whoever_fills_the_queue_makes_room_for_others() {
        let queue = Queue::new(3);
        for name in ["a1", "a2", "a3"] {
            assert!(queue.push(network(1), Named(name, false)).is_ok());
        }
        assert!(queue.push(network(1), Named("a4", false)).is_err());
        assert!(queue.push(network(2), Named("b1", false)).is_ok());
        assert!(
            queue.push(network(2), Named("b2", false)).is_err(),
            "as long as theirs"
        );
        assert_eq!(drain(&queue), ["a1", "b1", "a2"]);
    }

    #[test]
    fn those_who_have_gone_take_no_room() {
        let queue = Queue::new(2);
        for name in ["a1", "a2"] {
            assert!(queue.push(network(1), Named(name, true)).is_ok());
        }
        assert!(queue.push(network(1), Named("a3", false)).is_ok());
        assert_eq!(drain(&queue), ["a3"]);
    }

    #[test]
    fn a_patient_lane_takes_what_has_waited_long_enough() {
        let queue = Queue::new(2);
        assert!(queue.push(network(1), Named("a1", false)).is_ok());
        queue.close();
        assert!(queue.pop(Duration::from_secs(3600)).is_none());
        assert!(queue.pop(Duration::ZERO).is_some());
    }
}

//! Work that waits in one line for each network, so that somebody who sends a lot waits behind themselves.

use std::{collections::VecDeque, net::IpAddr};

/// Work that waits. Networks take turns; within one the oldest is first.
#[derive(Debug)]
pub struct Turns<T> {
    /// None is empty. The first one's turn is next.
    lines: VecDeque<Line<T>>,
    most: usize,
}

#[derive(Debug)]
struct Line<T> {
    /// None: this machine.
    network: Option<IpAddr>,
    tasks: VecDeque<T>,
}

/// There is no room.
#[derive(Debug)]
pub struct Full;

impl<T> Turns<T> {
    /// Of at most `most` tasks.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            most,
        }
    }

    /// Adds a task of somebody from `network`. Where there is no room, those that `is_abandoned` go first. If there still is none,
    /// the task takes the place of the newest one of the longest line, which is dropped.
    ///
    /// # Errors
    /// When its own line would be the longest then.
    pub fn push(
        &mut self,
        network: Option<IpAddr>,
        task: T,
        is_abandoned: impl Fn(&T) -> bool,
    ) -> Result<(), Full> {
        if self.len() >= self.most {
            self.remove(is_abandoned);
        }
        if self.len() >= self.most {
            self.make_room(network)?;
        }
        self.line(network).tasks.push_back(task);
        Ok(())
    }

    /// The oldest task of each line, in the order of their turns.
    pub fn oldest(&self) -> impl Iterator<Item = &T> {
        self.lines.iter().filter_map(|line| line.tasks.front())
    }

    /// Takes from the first line whose oldest task `is_ready`. That line's next turn comes after all others'.
    pub fn take(&mut self, is_ready: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.oldest().position(is_ready)?;
        let mut line = self.lines.remove(at)?;
        let task = line.tasks.pop_front();
        if !line.tasks.is_empty() {
            self.lines.push_back(line);
        }
        task
    }

    /// Removes all that `is_abandoned`.
    pub fn remove(&mut self, is_abandoned: impl Fn(&T) -> bool) {
        for line in &mut self.lines {
            line.tasks.retain(|task| !is_abandoned(task));
        }
        self.lines.retain(|line| !line.tasks.is_empty());
    }

    fn len(&self) -> usize {
        self.lines.iter().map(|line| line.tasks.len()).sum()
    }

    fn make_room(&mut self, network: Option<IpAddr>) -> Result<(), Full> {
        let own = self.lines.iter().find(|line| line.network == network);
        let own = own.map_or(0, |line| line.tasks.len());
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, and whether nobody waits for it any more.
    type Named = (&'static str, bool);

    fn push(turns: &mut Turns<Named>, network: u8, task: Named) -> Result<(), Full> {
        turns.push(Some(IpAddr::from([10, 0, network, 0])), task, |task| task.1)
    }

    fn drain(mut turns: Turns<Named>) -> Vec<&'static str> {
        std::iter::from_fn(|| turns.take(|_| true))
            .map(|task| task.0)
            .collect()
    }

    #[test]
    fn networks_take_turns() {
        let mut turns = Turns::new(10);
        for (n, name) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (2, "b2"), (3, "c1")] {
            assert!(push(&mut turns, n, (name, false)).is_ok());
        }
        assert_eq!(drain(turns), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn a_network_that_fills_the_lines_makes_room_for_others() {
        let mut turns = Turns::new(3);
        for name in ["a1", "a2", "a3"] {
            assert!(push(&mut turns, 1, (name, false)).is_ok());
        }
        assert!(push(&mut turns, 1, ("a4", false)).is_err());
        assert!(push(&mut turns, 2, ("b1", false)).is_ok());
        assert!(push(&mut turns, 2, ("b2", false)).is_err(), "as long as theirs");
        assert_eq!(drain(turns), ["a1", "b1", "a2"]);
    }

    #[test]
    fn those_who_have_gone_take_no_room() {
        let mut turns = Turns::new(2);
        for name in ["a1", "a2"] {
            assert!(push(&mut turns, 1, (name, true)).is_ok());
        }
        assert!(push(&mut turns, 1, ("a3", false)).is_ok());
        assert_eq!(drain(turns), ["a3"]);
    }

    #[test]
    fn what_is_not_ready_is_passed_over() {
        let mut turns = Turns::new(3);
        for (n, name) in [(1, "a1"), (2, "b1")] {
            assert!(push(&mut turns, n, (name, false)).is_ok());
        }
        assert_eq!(turns.take(|task| task.0 == "b1").map(|task| task.0), Some("b1"));
        assert!(turns.take(|task| task.0 == "b1").is_none());
        assert_eq!(drain(turns), ["a1"]);
    }
}

//! What one client publishes: it need not wait for one message before it sends the next.

use std::{collections::VecDeque, future::pending};

use crate::{error::Error, hub::Published, ops::publish::Publishing};

/// Messages that may be on their way into the history at once.
const MOST: usize = 64;
/// Bytes of their commands, at most, but for the last.
const MOST_BYTES: usize = 64 * 1024;

/// Messages on their way into the history, in the order in which they were sent.
#[derive(Default)]
pub(super) struct Pending {
    messages: VecDeque<Message>,
    bytes: usize,
}

struct Message {
    /// Of its command.
    id: Option<u64>,
    /// Of its command.
    bytes: usize,
    publishing: Publishing,
}

impl Pending {
    pub(super) fn has_room(&self) -> bool {
        self.messages.len() < MOST && self.bytes < MOST_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn push(&mut self, id: Option<u64>, bytes: usize, publishing: Publishing) {
        self.bytes += bytes;
        let message = Message {
            id,
            bytes,
            publishing,
        };
        self.messages.push_back(message);
    }

    /// What became of the first, with the id of its command. Nothing is lost when this is dropped while it waits.
    pub(super) async fn next(&mut self) -> (Option<u64>, Result<Published, Error>) {
        let Some(first) = self.messages.front_mut() else {
            return pending().await;
        };
        let result = first.publishing.done().await;
        let id = first.id;
        self.bytes -= first.bytes;
        self.messages.pop_front();
        (id, result)
    }
}

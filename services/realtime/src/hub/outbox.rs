//! What waits to be sent to one client: bounded, so that one who does not read takes up no more than its share.

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Close, Frame};

/// Cheap to look at; filled by many and emptied by the connection's own task.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    wake: Notify,
    most: usize,
}

#[derive(Debug, Default)]
struct Queue {
    frames: Vec<Frame>,
    bytes: usize,
    close: Option<Close>,
}

/// What is to be sent now, and then whether to close.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) frames: Vec<Frame>,
    pub(crate) close: Option<Close>,
}

impl Outbox {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            queue: Mutex::default(),
            wake: Notify::new(),
            most,
        }
    }

    /// Adds frames; returns how many. If there is no room for one, nothing more is sent and the connection is closed.
    pub(crate) fn push(&self, frames: impl IntoIterator<Item = Frame>) -> u64 {
        let mut queue = self.queue.lock();
        let (idle, mut added) = (queue.frames.is_empty(), 0);
        if queue.close.is_some() {
            return 0;
        }
        for frame in frames {
            queue.bytes += frame.size();
            if queue.bytes > self.most {
                queue.frames = Vec::new();
                queue.close = Some(Close::slow_consumer());
                break;
            }
            queue.frames.push(frame);
            added += 1;
        }
        let cut = queue.close.is_some();
        drop(queue);
        // The task that was woken takes all there is.
        if idle || cut {
            self.wake.notify_one();
        }
        added
    }

    /// Adds all of these frames, or none if there is no room for them; then the connection stays as it is.
    pub(crate) fn push_all(&self, frames: Vec<Frame>) -> bool {
        let mut queue = self.queue.lock();
        if queue.close.is_some() {
            return true;
        }
        let bytes = queue.bytes + frames.iter().map(Frame::size).sum::<usize>();
        if bytes > self.most {
            return false;
        }
        queue.bytes = bytes;
        queue.frames.extend(frames);
        drop(queue);
        self.wake.notify_one();
        true
    }

    /// How many bytes there is room for.
    pub(crate) fn room(&self) -> usize {
        self.most.saturating_sub(self.queue.lock().bytes)
    }

    /// Most that may wait, in bytes.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }

    /// Whether more than a quarter of what may wait does: what is large is not to be added now.
    pub(crate) fn is_busy(&self) -> bool {
        let queue = self.queue.lock();
        queue.close.is_none() && queue.bytes > self.most / 4
    }

    /// Closes the connection once what waits has been sent. The first reason counts.
    pub(crate) fn close(&self, close: Close) {
        let mut queue = self.queue.lock();
        if queue.close.is_none() {
            queue.close = Some(close);
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Whether nothing more is sent because the client was too slow, or must not have any more.
    pub(crate) fn is_cut_off(&self) -> bool {
        let queue = self.queue.lock();
        queue.close.is_some() && queue.frames.is_empty()
    }

    /// As [`Self::close`], without what waits: it is for somebody who may not have it any more.
    pub(crate) fn cut_off(&self, close: Close) {
        let mut queue = self.queue.lock();
        queue.frames = Vec::new();
        queue.close.get_or_insert(close);
        drop(queue);
        self.wake.notify_one();
    }

    /// Waits for something to send. Nothing is lost when this is dropped while it waits.
    pub(crate) async fn next(&self) -> Batch {
        loop {
            {
                let mut queue = self.queue.lock();
                if !queue.frames.is_empty() || queue.close.is_some() {
                    queue.bytes = 0;
                    return Batch {
                        frames: std::mem::take(&mut queue.frames),
                        close: queue.close.clone(),
                    };
                }
            }
            self.wake.notified().await;
        }
    }

    /// Returns once the connection is to be closed without sending what waits.
    pub(crate) async fn cut(&self) {
        while !self.is_cut_off() {
            self.wake.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize) -> Frame {
        Frame {
            text: "x".repeat(length).into(),
            place: None,
        }
    }

    #[tokio::test]
    async fn what_waits_is_taken_in_order_and_at_once() {
        let outbox = Outbox::new(1000);
        for length in 1..4 {
            outbox.push([frame(length)]);
        }
        let batch = outbox.next().await;
        let lengths: Vec<_> = batch.frames.iter().map(|frame| frame.text.len()).collect();
        assert_eq!((lengths, batch.close), (vec![1, 2, 3], None));
        outbox.push([frame(4)]);
        assert_eq!(outbox.next().await.frames.len(), 1);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off_and_takes_up_nothing() {
        let outbox = Outbox::new(1000);
        for _ in 0..100 {
            outbox.push([frame(100)]);
        }
        let batch = outbox.next().await;
        assert!(batch.frames.is_empty());
        assert_eq!(batch.close, Some(Close::slow_consumer()));
        assert!(outbox.is_cut_off());
    }

    #[tokio::test]
    async fn all_of_it_is_added_or_nothing() {
        let outbox = Outbox::new(1000);
        assert!(outbox.push_all(vec![frame(100), frame(100)]));
        assert!(!outbox.push_all(vec![frame(300), frame(300)]));
        assert!(outbox.is_busy());
        assert_eq!(outbox.room(), 672);
        let batch = outbox.next().await;
        assert_eq!((batch.frames.len(), batch.close), (2, None));
        assert!(outbox.push_all(vec![frame(300), frame(300)]));
    }

    #[tokio::test]
    async fn the_first_reason_counts_and_what_waits_comes_before_it() {
        let outbox = Outbox::new(1000);
        outbox.push([frame(1)]);
        outbox.close(Close::shutdown(7));
        outbox.close(Close::heartbeat());
        outbox.push([frame(2)]);
        let batch = outbox.next().await;
        assert_eq!(batch.frames.len(), 1);
        assert_eq!(batch.close, Some(Close::shutdown(7)));
    }
}

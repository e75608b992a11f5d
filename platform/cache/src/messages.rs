//! Hints to whoever wants to hear them.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::broadcast::{self, error::RecvError};

/// Messages that may wait for one who hears slowly; further ones are a gap.
const WAITING: usize = 256;

/// The topics of this process.
#[derive(Default)]
pub(crate) struct Messages(Mutex<HashMap<&'static str, broadcast::Sender<Notice>>>);

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// What somebody told.
    Message(Bytes),
    /// Some may have been missed, as on a new connection: whoever keeps something for as long as nobody says otherwise
    /// forgets it now.
    Gap,
}

/// Messages about one topic, from the moment this was made.
pub struct Hearing(broadcast::Receiver<Notice>);

impl Hearing {
    /// Waits for the next; none once the cache is gone.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.0.recv().await {
            Ok(heard) => Some(heard),
            Err(RecvError::Lagged(_)) => Some(Notice::Gap),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Messages {
    pub(crate) fn hear(&self, topic: &'static str) -> Hearing {
        let mut topics = self.0.lock();
        let topic = topics
            .entry(topic)
            .or_insert_with(|| broadcast::Sender::new(WAITING));
        Hearing(topic.subscribe())
    }

    pub(crate) fn deliver(&self, topic: &str, payload: Bytes) {
        if let Some(topic) = self.0.lock().get(topic) {
            // Nobody may be left to hear it.
            let _ = topic.send(Notice::Message(payload));
        }
    }

    /// Tells everybody that something may have been missed.
    pub(crate) fn gap(&self) {
        for topic in self.0.lock().values() {
            let _ = topic.send(Notice::Gap);
        }
    }
}

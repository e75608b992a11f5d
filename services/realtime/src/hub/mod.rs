//! Who is connected to this process, and what they follow.

mod catch_up;
mod close;
mod connection;
mod connections;
mod follow;
mod frame;
mod node;
mod outbox;
mod topics;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use stoa_events::Channel;
use tokio::sync::mpsc;
use uuid::Uuid;

pub use self::close::CloseReason;
pub(crate) use self::{
    catch_up::run as catch_up,
    close::Close,
    connection::{Connection, Followed},
    connections::{Connections, Open, Refusal},
    follow::{run as follow, tell_others},
    frame::{Epoch, Frame, Published, problem_of},
    node::{Leaving, Node, say_goodbye, watch_nodes},
    outbox::{Batch, Outbox},
    topics::{Joined, Topics},
    watch::run as watch,
};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Parts>);

struct Parts {
    topics: Topics,
    connections: Connections,
    /// Channels of which something may have been missed.
    missed: mpsc::UnboundedSender<Channel>,
    receiver: parking_lot::Mutex<Option<mpsc::UnboundedReceiver<Channel>>>,
    /// Connections that have left a channel on which they were present.
    leaving: mpsc::UnboundedSender<Leaving>,
}

impl Hub {
    pub(crate) fn new(connections: Connections, leaving: mpsc::UnboundedSender<Leaving>) -> Self {
        let (missed, receiver) = mpsc::unbounded_channel();
        Self(Arc::new(Parts {
            topics: Topics::default(),
            connections,
            missed,
            receiver: parking_lot::Mutex::new(Some(receiver)),
            leaving,
        }))
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.0.topics
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// Sends messages to those who follow the channel here. If they are not the next of their channel, what lies between is read first.
    pub(crate) fn tell(&self, channel: &Channel, published: &[Published]) {
        if self.topics().tell(channel, published) {
            self.look(channel);
        }
    }

    /// Has the channel's history read for what was missed, if anybody follows it here.
    pub(crate) fn look(&self, channel: &Channel) {
        if self.topics().begin_look(channel) {
            // The receiver is gone only when the process ends.
            let _ = self.0.missed.send(channel.clone());
        }
    }

    /// As [`Self::look`], for a channel that was taken from the queue too early.
    fn look_later(&self, channel: Channel, pause: Duration) {
        let hub = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = hub.0.missed.send(channel);
        });
    }

    /// Has everybody who follows the channel here subscribe anew: the numbering has begun anew, or messages are gone.
    pub(crate) fn start_over(&self, channel: &Channel) {
        for connection in self.topics().clear(channel) {
            self.expel(channel, &connection, "history_lost");
        }
    }

    /// Ends a subscription, and tells the client why.
    pub(crate) fn expel(&self, channel: &Channel, connection: &Connection, code: &'static str) {
        let how = connection.followed().lock().remove(channel);
        if let Some(how) = how {
            self.left(channel, connection, how);
            let unsubscribed = Which { channel, code };
            connection
                .outbox
                .push([Frame::of(&Unsubscribed { unsubscribed })]);
        }
    }

    /// A connection does not follow the channel any more.
    pub(crate) fn left(&self, channel: &Channel, connection: &Connection, how: Followed) {
        self.topics().leave(channel, connection.id);
        if let Some(principal) = connection.principal().filter(|_| how.present) {
            // The receiver is gone only when the process ends.
            let _ = self.0.leaving.send(Leaving {
                channel: channel.clone(),
                connection: connection.id,
                user: principal.user_id,
                at: Instant::now(),
            });
        }
    }

    /// Whether a connection is open and shows on the channel that its user is there.
    pub(crate) fn is_present(&self, channel: &Channel, connection: Uuid) -> bool {
        self.connections().get(connection).is_some_and(|connection| {
            let followed = connection.followed().lock();
            followed.get(channel).is_some_and(|how| how.present)
        })
    }

    /// To be taken before a commit of something that is published: whatever becomes of the commit, those who follow the channel miss
    /// nothing.
    pub(crate) fn telling(&self, channel: &Channel) -> Telling {
        Telling {
            hub: self.clone(),
            channel: Some(channel.clone()),
        }
    }
}

/// Tells a client that it does not follow a channel any more.
#[derive(Serialize)]
struct Unsubscribed<'a> {
    unsubscribed: Which<'a>,
}

#[derive(Serialize)]
struct Which<'a> {
    channel: &'a Channel,
    code: &'static str,
}

/// Something is being committed. Dropped without [`Telling::tell`], nobody knows whether it was, and the history is looked at.
pub(crate) struct Telling {
    hub: Hub,
    channel: Option<Channel>,
}

impl Telling {
    /// It was committed.
    pub(crate) fn tell(mut self, published: &[Published]) {
        if let Some(channel) = self.channel.take() {
            self.hub.tell(&channel, published);
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            self.hub.look(&channel);
        }
    }
}

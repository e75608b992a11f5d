//! The channels that somebody in this process follows.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use stoa_events::Channel;
use uuid::Uuid;

use super::{Connection, Epoch, Frame, Published};
use crate::store::channels::Head;

/// How long the rest of what was missed waits for those who have not read the part before it.
const PATIENCE: Duration = Duration::from_secs(1);

/// By channel. A channel is here for as long as somebody follows it.
#[derive(Default)]
pub(crate) struct Topics(RwLock<HashMap<Channel, Arc<Mutex<Topic>>>>);

/// A channel, as far as those have been told who follow it here.
#[derive(Default)]
struct Topic {
    /// None before anything was published.
    epoch: Option<Epoch>,
    /// Offset of the last message that was sent here. None until the first who follows it has read where it stands.
    last: Option<i64>,
    /// Something was published before that, and those who are reading may not have seen it.
    missed: bool,
    /// Its history is being looked at, or about to be.
    looking: bool,
    /// When a part of what was missed was sent, of which there is more.
    part_sent: Option<Instant>,
    members: HashMap<Uuid, Member>,
}

/// Somebody who follows it.
struct Member {
    connection: Arc<Connection>,
    /// Offset of the last message that they have. None while they are still reading what they missed.
    seen: Option<i64>,
}

/// What came of [`Topics::go_live`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// From now on messages are sent as they come.
    Live,
    /// More has been published than was read.
    Behind,
    /// There is no room for all of it.
    TooMuch,
    /// They do not follow it any more.
    Left,
}

impl Topics {
    fn get(&self, channel: &Channel) -> Option<Arc<Mutex<Topic>>> {
        self.0.read().get(channel).cloned()
    }

    /// From now on `connection` follows the channel, and is sent nothing yet.
    pub(crate) fn join(&self, channel: &Channel, connection: &Arc<Connection>) {
        let mut topics = self.0.write();
        let topic = topics.entry(channel.clone()).or_default();
        let member = Member {
            connection: Arc::clone(connection),
            seen: None,
        };
        topic.lock().members.insert(connection.id, member);
    }

    pub(crate) fn leave(&self, channel: &Channel, connection: Uuid) {
        let mut topics = self.0.write();
        let Some(topic) = topics.get(channel) else { return };
        let empty = {
            let mut topic = topic.lock();
            topic.members.remove(&connection);
            topic.members.is_empty()
        };
        if empty {
            topics.remove(channel);
        }
    }

    /// Sends `frames` to somebody who has joined, and from now on what is published behind `head`, which they have come up to.
    pub(crate) fn go_live(
        &self,
        channel: &Channel,
        connection: Uuid,
        head: &Head,
        frames: Vec<Frame>,
    ) -> Joined {
        let Some(topic) = self.get(channel) else {
            return Joined::Left;
        };
        let mut topic = topic.lock();
        if topic.last.is_some_and(|last| last > head.last_offset) && topic.is_of(&head.epoch) {
            return Joined::Behind;
        }
        if std::mem::take(&mut topic.missed) {
            return Joined::Behind;
        }
        if topic.last.is_none() {
            topic.last = Some(head.last_offset);
            topic.epoch = (!head.epoch.is_empty()).then(|| head.epoch.as_str().into());
        }
        let Some(member) = topic.members.get_mut(&connection) else {
            return Joined::Left;
        };
        if !member.connection.outbox.push_all(frames) {
            return Joined::TooMuch;
        }
        member.seen = Some(head.last_offset);
        Joined::Live
    }

    /// Sends messages, in order, to those who follow their channel here. True if they are not the next ones: then its history is to be looked at.
    pub(crate) fn tell(&self, channel: &Channel, published: &[Published]) -> bool {
        self.get(channel)
            .is_some_and(|topic| topic.lock().tell(published))
    }

    /// Whether others have published behind what was sent here.
    pub(crate) fn is_behind(&self, channel: &Channel, offset: i64) -> bool {
        self.get(channel)
            .is_some_and(|topic| topic.lock().is_behind(offset))
    }

    /// True if somebody follows the channel and nobody looks at its history yet.
    pub(crate) fn begin_look(&self, channel: &Channel) -> bool {
        self.get(channel)
            .is_some_and(|topic| !std::mem::replace(&mut topic.lock().looking, true))
    }

    /// The history is about to be read: whatever is missed from now on is looked for anew. Some: behind which offset to read, and of which
    /// epoch it is.
    pub(crate) fn look(&self, channel: &Channel) -> Option<(i64, Option<Epoch>)> {
        let topic = self.get(channel)?;
        let mut topic = topic.lock();
        (topic.looking, topic.part_sent) = (false, None);
        Some((topic.last?, topic.epoch.clone()))
    }

    /// A part of what was missed was sent, and there is more.
    pub(crate) fn note_part(&self, channel: &Channel) {
        if let Some(topic) = self.get(channel) {
            topic.lock().part_sent = Some(Instant::now());
        }
    }

    /// Whether the rest of what was missed is to wait: somebody has not read the part before it, and has had little time to.
    pub(crate) fn is_part_unread(&self, channel: &Channel) -> bool {
        self.get(channel).is_some_and(|topic| {
            let topic = topic.lock();
            let is_new = topic.part_sent.is_some_and(|at| at.elapsed() < PATIENCE);
            is_new
                && topic
                    .members
                    .values()
                    .any(|member| member.connection.outbox.is_busy())
        })
    }

    /// Nobody follows the channel any more; returns who did.
    pub(crate) fn clear(&self, channel: &Channel) -> Vec<Arc<Connection>> {
        let Some(topic) = self.0.write().remove(channel) else {
            return Vec::new();
        };
        let mut topic = topic.lock();
        topic
            .members
            .drain()
            .map(|(_, member)| member.connection)
            .collect()
    }

    /// Whether nobody follows anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }
}

impl Topic {
    /// Notes it where nobody has read yet how far the channel is.
    fn is_behind(&mut self, offset: i64) -> bool {
        self.missed |= self.last.is_none();
        self.last.is_some_and(|last| last < offset)
    }

    /// Whether this is the numbering that was sent of until now.
    fn is_of(&self, epoch: &str) -> bool {
        self.epoch.as_deref().is_none_or(|known| known == epoch)
    }

    fn tell(&mut self, published: &[Published]) -> bool {
        let Some(first) = self.last else {
            // A subscriber who joins right now may have read before this was committed.
            self.missed = true;
            return false;
        };
        let (mut last, mut missing) = (first, false);
        let mut frames = Vec::with_capacity(published.len());
        for one in published {
            let offset = one.row.position;
            if !self.is_of(&one.epoch) || offset > last + 1 {
                missing = true;
                break;
            }
            if offset == last + 1 {
                self.epoch.get_or_insert_with(|| Arc::clone(&one.epoch));
                last = offset;
                frames.push((offset, one.frame()));
            }
        }
        self.last = Some(last);
        let mut sent = 0;
        for member in self.members.values_mut() {
            let Some(seen) = &mut member.seen else { continue };
            let behind = frames.iter().filter(|(offset, _)| offset > seen);
            sent += member
                .connection
                .outbox
                .push(behind.map(|(_, frame)| frame.clone()));
            *seen = last.max(*seen);
        }
        metrics::counter!("stoa_realtime_sent_total").increment(sent);
        missing
    }
}

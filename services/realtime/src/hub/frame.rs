//! What connections are sent. A message is written once, however many it goes to.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use stoa_events::Channel;
use stoa_http::{Failure, Problem};
use stoa_kernel::{Timestamp, UserId};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::store::messages::{MessageId, MessageRow};

/// Names one numbering of a channel's messages.
pub(crate) type Epoch = Arc<str>;

/// One text, shared by all who are sent it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) text: Utf8Bytes,
    /// Where its channel is with it.
    pub(crate) place: Option<Arc<Place>>,
}

/// Where a channel is.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) channel: Channel,
    pub(crate) epoch: Epoch,
    pub(crate) offset: i64,
}

/// What a frame takes up beside its text, about.
const OVERHEAD: usize = 64;

impl Frame {
    /// Bytes that it takes up while it waits, about.
    pub(crate) fn size(&self) -> usize {
        self.text.len() + OVERHEAD
    }

    /// What is no message of a channel.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self {
            text: serde_json::to_string(value).unwrap_or_default().into(),
            place: None,
        }
    }

    /// With it a channel is there.
    pub(crate) fn at(mut self, channel: Channel, epoch: Epoch, offset: i64) -> Self {
        self.place = Some(Arc::new(Place {
            channel,
            epoch,
            offset,
        }));
        self
    }
}

/// A message that stands in the history of its channel.
pub(crate) struct Published {
    pub(crate) channel: Channel,
    pub(crate) epoch: Epoch,
    pub(crate) row: MessageRow,
}

/// A message as clients read it.
#[derive(Serialize)]
struct Push<'a> {
    channel: &'a Channel,
    /// Of the first message alone: who followed the channel before it knew of no epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a str>,
    offset: i64,
    id: MessageId,
    event: &'a str,
    data: &'a RawValue,
    time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<UserId>,
}

impl Published {
    pub(crate) fn frame(&self) -> Frame {
        let data: &RawValue = serde_json::from_str(&self.row.data).unwrap_or(RawValue::NULL);
        let push = Push {
            channel: &self.channel,
            epoch: (self.row.position == 1).then_some(&*self.epoch),
            offset: self.row.position,
            id: self.row.id,
            event: &self.row.event,
            data,
            time: self.row.created_at,
            sender: self.row.sender_id,
        };
        Frame::of(&push).at(self.channel.clone(), Arc::clone(&self.epoch), self.row.position)
    }
}

/// A failure as the client sees it. Internal causes go to the log.
pub(crate) fn problem_of(failure: Failure) -> Problem {
    if let Some(cause) = &failure.internal {
        tracing::warn!(code = %failure.problem.code, cause, "a client's command failed");
    }
    *failure.problem
}

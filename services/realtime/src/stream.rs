//! Clients by server-sent events (WHATWG HTML, 9.2): the same texts that a WebSocket is sent.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use stoa_events::Channel;
use tokio::time::timeout;

use crate::{
    ctx::Ctx,
    hub::{Epoch, Frame},
    ops::subscribe::Position,
    session::{Disconnect, Session},
};

/// How far a client has come with each of its channels, as the id of an event says it: `epoch.offset` for each, with `~` between them.
pub(crate) struct Positions(Vec<Place>);

struct Place {
    channel: Channel,
    /// None where nothing is known.
    at: Option<(Epoch, i64)>,
}

impl Positions {
    /// What an id says of these channels. One that is none says nothing.
    pub(crate) fn read(channels: &[Channel], id: Option<&str>) -> Self {
        let mut parts = id.unwrap_or_default().split('~');
        let places = channels.iter().map(|channel| Place {
            channel: channel.clone(),
            at: parts.next().and_then(read_place),
        });
        Self(places.collect())
    }

    /// From where a channel is to be recovered.
    pub(crate) fn of(&self, channel: &Channel) -> Option<Position> {
        let place = self.0.iter().find(|place| place.channel == *channel)?;
        let (epoch, offset) = place.at.as_ref()?;
        Some(Position {
            epoch: epoch.to_string(),
            offset: *offset,
        })
    }

    fn note(&mut self, channel: &Channel, epoch: &Epoch, offset: i64) {
        if let Some(place) = self.0.iter_mut().find(|place| place.channel == *channel) {
            place.at = Some((Epoch::clone(epoch), offset));
        }
    }

    fn id(&self) -> String {
        let places = self.0.iter().map(|place| match &place.at {
            Some((epoch, offset)) => format!("{epoch}.{offset}"),
            None => String::new(),
        });
        places.collect::<Vec<_>>().join("~")
    }
}

fn read_place(text: &str) -> Option<(Epoch, i64)> {
    let (epoch, offset) = text.rsplit_once('.')?;
    Some((epoch.into(), offset.parse().ok()?))
}

/// What one client is sent.
pub(crate) struct Events {
    session: Session,
    positions: Positions,
    heartbeat: Duration,
    ready: VecDeque<Bytes>,
    ended: bool,
}

impl Events {
    pub(crate) fn new(ctx: &Ctx, session: Session, positions: Positions) -> Self {
        metrics::gauge!("stoa_realtime_connections", "kind" => "sse").increment(1.0);
        Self {
            session,
            positions,
            heartbeat: ctx.config.heartbeat.0,
            // A client that loses the connection comes back after this many milliseconds.
            ready: VecDeque::from([Bytes::from_static(b"retry: 2000\n\n")]),
            ended: false,
        }
    }

    /// The body of the answer.
    pub(crate) fn stream(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        stream::unfold(self, |mut events| async move {
            let bytes = events.next().await?;
            Some((Ok(bytes), events))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(bytes) = self.ready.pop_front() {
            return Some(bytes);
        }
        if self.ended {
            return None;
        }
        let waiting = timeout(self.heartbeat, self.session.connection().outbox.next());
        let Ok(batch) = waiting.await else {
            return Some(Bytes::from_static(b":\n\n"));
        };
        let mut text = String::new();
        for frame in &batch.frames {
            self.write(&mut text, frame);
        }
        if let Some(close) = batch.close {
            self.ended = true;
            metrics::counter!("stoa_realtime_closed_total", "reason" => close.reason.name).increment(1);
            if let Some(after) = close.reconnect_after_ms {
                text.push_str(&format!("retry: {after}\n"));
            }
            self.write(&mut text, &Frame::of(&Disconnect::from(&close)));
        }
        Some(text.into())
    }

    fn write(&mut self, text: &mut String, frame: &Frame) {
        if let Some(place) = &frame.place {
            self.positions.note(&place.channel, &place.epoch, place.offset);
            text.push_str("id: ");
            text.push_str(&self.positions.id());
            text.push('\n');
        }
        // What was published may have breaks between its parts.
        for line in frame.text.split(['\n', '\r']) {
            text.push_str("data: ");
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        metrics::gauge!("stoa_realtime_connections", "kind" => "sse").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_where_each_channel_is() {
        let channels = ["a:1", "b:2", "c:3"].map(|name| name.parse::<Channel>().unwrap());
        let mut positions = Positions::read(&channels, None);
        assert_eq!(positions.id(), "~~");
        positions.note(&channels[1], &"x-y".into(), 7);
        positions.note(&channels[0], &"".into(), 0);
        assert_eq!(positions.id(), ".0~x-y.7~");
        let read = Positions::read(&channels, Some(&positions.id()));
        assert_eq!(
            read.of(&channels[1]).map(|at| (at.epoch, at.offset)),
            Some(("x-y".to_owned(), 7))
        );
        assert_eq!(
            read.of(&channels[0]).map(|at| (at.epoch, at.offset)),
            Some((String::new(), 0))
        );
        assert!(read.of(&channels[2]).is_none());
        for nonsense in ["", "x", "~~~~~", "a.b~c.d", "a.99999999999999999999"] {
            assert!(
                Positions::read(&channels, Some(nonsense))
                    .of(&channels[0])
                    .is_none()
            );
        }
    }
}

//! Hints that reach other processes, by PUBLISH and a connection of its own that listens.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use redis::{Client, Msg, RedisResult, aio::PubSub};
use tokio::time::{interval, timeout};

use super::{PATIENCE, PAUSE, Redis};
use crate::messages::Messages;

/// Who sent it stands in front of what was sent.
const SENDER: usize = 16;
/// Time between two looks whether the connection is still one.
const HEARTBEAT: Duration = Duration::from_secs(10);

impl Redis {
    pub(crate) async fn publish(self: &Arc<Self>, topic: &str, payload: &[u8]) {
        let mut command = redis::cmd("PUBLISH");
        command
            .arg(self.key("hint", topic))
            .arg([&self.me, payload].concat());
        // A hint that is lost is lost; the error is counted.
        let _: Result<(), _> = self.ask("tell", PATIENCE, &command).await;
    }

    /// Passes on what others publish, for as long as somebody has the cache.
    pub(crate) fn listen(self: &Arc<Self>, messages: &Arc<Messages>) {
        if !self.listening.swap(true, Ordering::AcqRel) {
            tokio::spawn(listen(Arc::downgrade(self), Arc::downgrade(messages)));
        }
    }

    /// Any node of a cluster will do: they pass hints on to each other.
    async fn subscribe(&self, turn: usize) -> RedisResult<PubSub> {
        let nodes = self.address.nodes();
        let client = Client::open(nodes[turn % nodes.len()].info.clone())?;
        let mut connection = client.get_async_pubsub().await?;
        connection.psubscribe(self.key("hint", "*")).await?;
        Ok(connection)
    }

    /// Topic and payload of a message, unless it is this process's own, which was delivered when it was told.
    fn open_hint(&self, message: &Msg) -> Option<(String, Bytes)> {
        let (sender, payload) = message.get_payload_bytes().split_at_checked(SENDER)?;
        if sender == self.me {
            return None;
        }
        let topic = message.get_channel_name().strip_prefix(&self.key("hint", ""))?;
        Some((topic.to_owned(), Bytes::copy_from_slice(payload)))
    }
}

async fn listen(redis: Weak<Redis>, messages: Weak<Messages>) {
    for turn in 0_usize.. {
        let Some(there) = redis.upgrade() else { return };
        let connection = timeout(PATIENCE, there.subscribe(turn)).await;
        drop(there);
        if let Ok(Ok(connection)) = connection {
            let Some(here) = messages.upgrade() else { return };
            here.gap();
            drop(here);
            pass_on(connection, &redis, &messages).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Passes messages on until the connection breaks, or nobody has the cache any more.
async fn pass_on(connection: PubSub, redis: &Weak<Redis>, messages: &Weak<Messages>) {
    let (mut sink, mut stream) = connection.split();
    let mut heartbeat = interval(HEARTBEAT);
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            _ = heartbeat.tick() => {
                let alive = timeout(PATIENCE, sink.ping::<()>()).await;
                if redis.strong_count() == 0 || !matches!(alive, Ok(Ok(()))) {
                    return;
                }
                continue;
            }
        };
        let (Some(message), Some(redis), Some(messages)) = (message, redis.upgrade(), messages.upgrade())
        else {
            return;
        };
        if let Some((topic, payload)) = redis.open_hint(&message) {
            messages.deliver(&topic, payload);
        }
    }
}

//! The connection, made again whenever it is lost.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{Connection, ConnectionProperties, Event, uri::AMQPUri};
use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

use super::{PATIENCE, RABBIT};
use crate::bus::BusError;

/// Pause between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(250);
/// How often the connection is looked at, should its own word not come.
const LOOK: Duration = Duration::from_secs(5);

pub(super) struct Link {
    connection: watch::Receiver<Option<Arc<Connection>>>,
    made: watch::Receiver<u64>,
    keeper: AbortHandle,
}

impl Link {
    /// Connects once, to be sure that it can be done, and keeps connected from then on.
    pub(super) async fn open(uri: AMQPUri, address: &str) -> Result<Self, BusError> {
        let first = connect(&uri).await.map_err(|reason| BusError::Unreachable {
            broker: RABBIT,
            address: address.to_owned(),
            reason,
        })?;
        let (current, connection) = watch::channel(None);
        let (count, made) = watch::channel(0);
        let keeper = tokio::spawn(keep(uri, first, current, count)).abort_handle();
        let mut ready = connection.clone();
        let _ = ready.wait_for(Option::is_some).await;
        Ok(Self {
            connection,
            made,
            keeper,
        })
    }

    pub(super) fn connection(&self) -> Result<Arc<Connection>, BusError> {
        let connection = self.connection.borrow().clone();
        connection
            .filter(|there| there.status().connected())
            .ok_or(BusError::Away(RABBIT))
    }

    pub(super) fn made(&self) -> watch::Receiver<u64> {
        self.made.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
        let connection = self.connection.borrow().clone();
        if let (Some(connection), Ok(runtime)) = (connection, Handle::try_current()) {
            runtime.spawn(async move { connection.close(200, "done".into()).await });
        }
    }
}

async fn keep(
    uri: AMQPUri,
    first: Connection,
    current: watch::Sender<Option<Arc<Connection>>>,
    count: watch::Sender<u64>,
) {
    let mut next = Some(first);
    loop {
        let connection = match next.take() {
            Some(connection) => connection,
            None => match connect(&uri).await {
                Ok(connection) => connection,
                Err(reason) => {
                    tracing::debug!(reason, "RabbitMQ is still away");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            },
        };
        let connection = Arc::new(connection);
        current.send_replace(Some(Arc::clone(&connection)));
        count.send_modify(|number| *number += 1);
        lost(&connection).await;
        current.send_replace(None);
        tracing::warn!("RabbitMQ is away; events wait in the outboxes");
    }
}

/// Returns once the connection is.
async fn lost(connection: &Connection) {
    let mut events = std::pin::pin!(connection.events_listener());
    while connection.status().connected() {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::warn!(reason, "RabbitMQ takes nothing for now; events wait in the outboxes");
                }
                Some(_) => {}
                None => return,
            },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn connect(uri: &AMQPUri) -> Result<Connection, String> {
    let properties = ConnectionProperties::default().with_connection_name("stoa".into());
    match tokio::time::timeout(PATIENCE, Connection::connect_uri(uri.clone(), properties)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) if error.to_string().contains("ACCESS_REFUSED") => {
            Err("user or password are wrong, or missing".to_owned())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

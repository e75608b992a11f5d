//! Connections that read, each used by one task at a time.

use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Error;

pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    /// As many permits as connections lie idle.
    free: Semaphore,
}

/// A connection, given back when dropped.
pub(super) struct Reader<'a> {
    connection: Option<Connection>,
    readers: &'a Readers,
    // Given back after the connection: fields are dropped after the struct's own `drop`.
    _permit: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self {
            free: Semaphore::new(connections.len()),
            idle: Mutex::new(connections),
        }
    }

    /// Waits for a connection, at most so long.
    pub(super) async fn take(&self, wait: Duration) -> Result<Reader<'_>, Error> {
        let permit = match self.free.try_acquire() {
            Ok(permit) => permit,
            Err(_) => match tokio::time::timeout(wait, self.free.acquire()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_)) => return Err(Error::Engine("the database is closed".to_owned())),
                Err(_) => return Err(Error::Busy),
            },
        };
        let connection = self.idle.lock().pop();
        Ok(Reader {
            connection: Some(connection.ok_or(Error::Busy)?),
            readers: self,
            _permit: permit,
        })
    }

    pub(super) fn close(&self) {
        self.free.close();
        self.idle.lock().clear();
    }
}

impl Reader<'_> {
    pub(super) fn connection(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("taken only by drop"),
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.idle.lock();
        if !self.readers.free.is_closed() {
            idle.extend(self.connection.take());
        }
    }
}

//! A few connections that all reads share: their queries are sent without waiting for one another's answers.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio_postgres::{Client, Row, Statement, types::ToSql};

use super::{
    address::Address,
    closed,
    convert::{bind, engine_error},
    statement::{STATEMENTS, check_count},
};
use crate::{Error, ToValue};

const CONNECTIONS: usize = 2;

pub(super) struct Shared {
    address: Address,
    /// Each locked only for the moment of taking a connection, or for as long as it takes to make one.
    slots: [tokio::sync::Mutex<Option<Arc<Reader>>>; CONNECTIONS],
    turn: AtomicUsize,
    closed: AtomicBool,
}

struct Reader {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    lost: AtomicBool,
}

impl Shared {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            slots: Default::default(),
            turn: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Runs a query, again if the connection turns out to be lost: a read may be repeated.
    pub(super) async fn query(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<Row>, Error> {
        for _ in 0..CONNECTIONS {
            let reader = self.reader().await?;
            match reader.query(sql, params).await {
                Err(Error::Busy) => reader.lost.store(true, Ordering::Relaxed),
                found => return found,
            }
        }
        self.reader().await?.query(sql, params).await
    }

    /// The next connection in turn, made anew if it was lost.
    async fn reader(&self) -> Result<Arc<Reader>, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let slot = &self.slots[self.turn.fetch_add(1, Ordering::Relaxed) % CONNECTIONS];
        let mut slot = slot.lock().await;
        if let Some(reader) = slot.as_ref().filter(|reader| !reader.is_lost()) {
            return Ok(Arc::clone(reader));
        }
        let reader = Arc::new(
            Reader::connect(&self.address)
                .await
                .map_err(|e| engine_error(&e))?,
        );
        *slot = Some(Arc::clone(&reader));
        Ok(reader)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for slot in &self.slots {
            if let Ok(mut slot) = slot.try_lock() {
                slot.take();
            }
        }
    }
}

impl Reader {
    async fn connect(address: &Address) -> Result<Self, tokio_postgres::Error> {
        let client = address.connect().await?;
        // Only reads come here; what is no read is refused by the server.
        client
            .batch_execute("SET default_transaction_read_only = on")
            .await?;
        Ok(Self {
            client,
            statements: Mutex::default(),
            lost: AtomicBool::new(false),
        })
    }

    fn is_lost(&self) -> bool {
        self.client.is_closed() || self.lost.load(Ordering::Relaxed)
    }

    async fn query(&self, sql: &str, params: &[&dyn ToValue]) -> Result<Vec<Row>, Error> {
        let statement = self.statement(sql).await?;
        check_count(&statement, params.len())?;
        let bound = bind(params);
        let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as _).collect();
        self.client.query(&statement, &bound).await.map_err(|error| {
            // It may have failed because its table has changed since it was prepared.
            self.statements.lock().remove(sql);
            engine_error(&error)
        })
    }

    async fn statement(&self, sql: &str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.lock().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await.map_err(|e| engine_error(&e))?;
        let mut statements = self.statements.lock();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

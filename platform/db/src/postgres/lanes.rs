//! The few connections that quick reads share, and one for what must be answered whatever else is asked.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::Mutex;
use tokio_postgres::Row;

use super::{
    address::Address,
    closed,
    lane::{Lane, Stopped},
};
use crate::{Error, ToValue};

const LANES: usize = 2;

pub(super) struct Lanes {
    address: Arc<Address>,
    /// Each locked only for the moment of taking a connection, or for as long as it takes to make one.
    slots: [Slot; LANES],
    vital: Slot,
    turn: AtomicUsize,
    closed: AtomicBool,
}

type Slot = Mutex<Option<Arc<Lane>>>;

impl Lanes {
    pub(super) fn new(address: Arc<Address>) -> Self {
        Self {
            address,
            slots: Default::default(),
            vital: Slot::default(),
            turn: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Runs a query on one of them.
    pub(super) async fn query(
        &self,
        sql: &str,
        params: &[&dyn ToValue],
        vital: bool,
    ) -> Result<Vec<Row>, Stopped> {
        let lane = self.lane(vital).await?;
        lane.query(sql, params).await
    }

    /// The next connection in turn, made anew if it was lost.
    async fn lane(&self, vital: bool) -> Result<Arc<Lane>, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let slot = if vital {
            &self.vital
        } else {
            &self.slots[self.turn.fetch_add(1, Ordering::Relaxed) % LANES]
        };
        let mut slot = slot.lock().await;
        if let Some(lane) = slot.as_ref().filter(|lane| !lane.is_lost()) {
            return Ok(Arc::clone(lane));
        }
        let lane = Lane::connect(&self.address).await?;
        *slot = Some(Arc::clone(&lane));
        Ok(lane)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for slot in self.slots.iter().chain([&self.vital]) {
            if let Ok(mut slot) = slot.try_lock() {
                slot.take();
            }
        }
    }
}

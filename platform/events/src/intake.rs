//! From a broker into the subscriber's `jobs`: a batch at a time, in order, acknowledged once it is committed.

use std::{ops::Range, sync::Arc};

use stoa_db::{Db, Error};
use tokio_util::sync::CancellationToken;

use crate::{
    Bus, Subscription, aside,
    bus::{Arrivals, BusError, Delivery, Position, envelope},
    halves::Halves,
    inbox::{Arrival, Inbox},
    lease::Fence,
    pause,
    store::insert_jobs,
    troubles::Trouble,
};

/// Messages that concern nobody here, after which their position is written down all the same.
const SKIPPED: usize = 4096;

/// Why a session ended.
enum Over {
    Stopped,
    /// Another process takes in now.
    Lost,
    Failed(BusError),
}

impl<E: Into<BusError>> From<E> for Over {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Takes in until told to stop, or until another process holds the lease. Whatever fails ends the session with the broker; the
/// next one begins behind what was committed.
pub(crate) async fn run(bus: Bus, inbox: Arc<Inbox>, fence: Fence, stop: CancellationToken) {
    let mut links = bus.links();
    let trouble = bus.watch(inbox.db().service(), "taking events in");
    let mut failures = 0;
    while !stop.is_cancelled() {
        links.mark_unchanged();
        let error = match session(&bus, &inbox, &fence, &stop, &trouble, &mut failures).await {
            Over::Stopped | Over::Lost => return,
            Over::Failed(error) => error,
        };
        tracing::warn!(service = inbox.db().service(), %error, "events could not be taken in; trying again");
        trouble.failed(&error);
        failures += 1;
        tokio::select! {
            () = stop.cancelled() => {}
            Ok(()) = links.changed() => {}
            () = tokio::time::sleep(pause::after(failures)) => {}
        }
    }
}

async fn session(
    bus: &Bus,
    inbox: &Inbox,
    fence: &Fence,
    stop: &CancellationToken,
    trouble: &Trouble,
    failures: &mut u32,
) -> Over {
    let mut arrivals = match bus.arrivals(inbox).await {
        Ok(arrivals) => arrivals,
        Err(error) => return error.into(),
    };
    trouble.passed();
    let mut skipped = 0;
    loop {
        let batch = tokio::select! {
            () = stop.cancelled() => break,
            batch = arrivals.next() => batch,
        };
        let taken = one(&mut arrivals, batch, inbox, fence, (stop, trouble), &mut skipped).await;
        if let Err(over) = taken {
            return over;
        }
        *failures = 0;
    }
    arrivals.close().await;
    Over::Stopped
}

/// Takes in one batch.
async fn one(
    arrivals: &mut Arrivals,
    batch: Result<Vec<Delivery>, BusError>,
    inbox: &Inbox,
    fence: &Fence,
    until: (&CancellationToken, &Trouble),
    skipped: &mut usize,
) -> Result<(), Over> {
    let batch = batch?;
    let mut rows = Rows::of(arrivals, &batch);
    let wanted = |one: &Result<Arrival<'_>, String>| one.as_ref().map_or(true, |one| inbox.wants(&one.name));
    if rows.read.iter().any(wanted) || *skipped >= SKIPPED {
        rows.keep(inbox, fence, until).await?;
        *skipped = 0;
    } else {
        *skipped += batch.len();
    }
    count(inbox.db().service(), &rows.read);
    let readable: Vec<_> = rows.read.iter().map(Result::is_ok).collect();
    drop(rows);
    arrivals.settle(&batch, &readable).await?;
    Ok(())
}

/// One batch, on its way into the database.
struct Rows<'a> {
    batch: &'a [Delivery],
    /// Each as an event, or why it cannot be kept as one.
    read: Vec<Result<Arrival<'a>, String>>,
    position: Option<Position>,
}

impl<'a> Rows<'a> {
    fn of(arrivals: &Arrivals, batch: &'a [Delivery]) -> Self {
        Self {
            batch,
            read: batch.iter().map(|one| envelope::read(&one.body)).collect(),
            position: arrivals.position(batch),
        }
    }

    /// Commits them, however long the database takes to come back: nothing further is fetched meanwhile. What the database will never
    /// take is put aside, and the others are kept.
    async fn keep(
        &mut self,
        inbox: &Inbox,
        fence: &Fence,
        (stop, trouble): (&CancellationToken, &Trouble),
    ) -> Result<(), Over> {
        let (mut halves, mut failures) = (Halves::of(self.batch.len()), 0);
        while let Some(part) = halves.next() {
            let error = match self.commit(part.clone(), inbox, fence).await {
                Ok(true) => {
                    trouble.passed();
                    failures = 0;
                    continue;
                }
                Ok(false) => return Err(Over::Lost),
                Err(error) => error,
            };
            if error.is_of_data() && self.read[part.clone()].iter().any(Result::is_ok) {
                if let Some(at) = halves.refused(part) {
                    self.read[at] = Err(format!("it cannot be kept: {error}"));
                    halves.again(at..at + 1);
                }
                continue;
            }
            tracing::warn!(service = inbox.db().service(), %error, "events that arrived could not be kept; trying again");
            trouble.failed(&error);
            failures += 1;
            halves.again(part);
            tokio::select! {
                () = stop.cancelled() => return Err(Over::Stopped),
                () = tokio::time::sleep(pause::after(failures)) => {}
            }
        }
        Ok(())
    }

    /// False if another process takes in now; then nothing was kept. The position is that of the whole batch, so it is written with
    /// the last of it.
    async fn commit(&self, part: Range<usize>, inbox: &Inbox, fence: &Fence) -> Result<bool, Error> {
        let (batch, read) = (&self.batch[part.clone()], &self.read[part.clone()]);
        let jobs = inbox.jobs(read.iter().flatten().collect()).await?;
        let mut tx = inbox.db().begin().await?;
        fence.open(&mut tx).await?;
        insert_jobs(&mut tx, &jobs).await?;
        for (message, read) in batch.iter().zip(read) {
            if let Err(reason) = read {
                let reason = format!("{}: {reason}", message.origin);
                tracing::error!(
                    service = inbox.db().service(),
                    reason,
                    "a message cannot be taken in and was put aside"
                );
                aside::bury(&mut tx, &message.body, &reason).await?;
            }
        }
        if let Some(position) = self.position.as_ref().filter(|_| part.end == self.batch.len()) {
            position.write(&mut tx).await?;
        }
        if !fence.holds(&mut tx).await? {
            tx.rollback().await;
            return Ok(false);
        }
        tx.signal();
        tx.commit().await?;
        Ok(true)
    }
}

fn count(service: &str, read: &[Result<Arrival<'_>, String>]) {
    let whole = read.iter().filter(|one| one.is_ok()).count();
    for (outcome, number) in [("event", whole), ("unreadable", read.len() - whole)] {
        if number > 0 {
            metrics::counter!("stoa_bus_received_total", "service" => service.to_owned(), "outcome" => outcome)
                .increment(number as u64);
        }
    }
}

/// One step for tests: is brought a batch, keeps it or not, and dies before it is acknowledged. Returns how many there were.
///
/// # Errors
/// What broker or database say.
pub async fn take_in(
    bus: &Bus,
    db: &Db,
    subscriptions: &[Subscription],
    keeps: bool,
) -> Result<usize, BusError> {
    let inbox = Inbox::new(db, subscriptions);
    let mut arrivals = bus.arrivals(&inbox).await?;
    let batch = arrivals.next().await?;
    if keeps {
        let rows = Rows::of(&arrivals, &batch);
        rows.commit(0..batch.len(), &inbox, &Fence::none()).await?;
    }
    Ok(batch.len())
}

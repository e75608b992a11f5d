//! Jobs at the times of a cron expression, each time once across all processes.

use std::{str::FromStr, time::Duration};

use croner::Cron;
use jiff::{SignedDuration, tz::TimeZone};
use stoa_db::{Db, Error, Tx};
use stoa_kernel::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    EventId, Job,
    limits::Parts,
    store::{NewJob, insert_jobs},
};

/// How far the clocks of two machines may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_hours(1);

/// Jobs of a queue among which one of a schedule is looked for.
const NEWEST: i64 = 100;

/// A job enqueued at each time of a cron expression: UTC, five fields, or six with seconds first. Times that passed while
/// no process ran are made up for by one job. While the same job waits or runs, no other is enqueued beside it: so one that has
/// more to do than fits in one attempt, and enqueues itself again, goes on in one line.
pub struct Schedule {
    name: &'static str,
    text: String,
    cron: Result<Cron, String>,
    queue: &'static str,
    priority: i16,
    key: Option<String>,
    payload: String,
}

impl Schedule {
    /// `name` never changes. What is no cron expression is refused when the worker starts.
    #[must_use]
    pub fn new<J: Job>(name: &'static str, cron: &str, job: J) -> Self {
        let parsed = Cron::from_str(cron)
            .map_err(|e| format!("'{cron}' of the schedule {name} is no cron expression: {e}"));
        Self {
            name,
            text: cron.to_owned(),
            cron: parsed,
            queue: J::NAME,
            priority: J::PRIORITY,
            key: job.key(),
            payload: serde_json::to_string(&job).unwrap_or_default(),
        }
    }

    fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let next = self
            .cron
            .as_ref()
            .ok()?
            .find_next_occurrence(&time.to_zoned(TimeZone::UTC), false)
            .ok()?;
        Some(next.timestamp())
    }

    /// Makes the schedule's row, and moves it when the expression is another than before.
    async fn register(&self, db: &Db) -> Result<(), Error> {
        if let Err(wrong) = &self.cron {
            return Err(Error::Engine(wrong.clone()));
        }
        Parts {
            name: self.queue,
            key: self.key.as_deref(),
            source: db.service(),
            traceparent: None,
        }
        .check_new()?;
        let Some(next) = self.after(db.clock().now()) else {
            return Ok(());
        };
        let sql = "INSERT INTO schedules (name, cron, next_at) VALUES ($1, $2, $3) \
            ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, next_at = excluded.next_at WHERE schedules.cron <> excluded.cron";
        db.execute(sql, &[&self.name, &self.text, &next]).await.map(drop)
    }

    /// Enqueues the job if it is due and nobody else has.
    async fn tick(&self, db: &Db) -> Result<(), Error> {
        let now = db.clock().now();
        let sql = "SELECT next_at FROM schedules WHERE name = $1";
        let Some(due) = db.fetch_optional::<Timestamp>(sql, &[&self.name]).await? else {
            return Ok(());
        };
        let Some(next) = self.after(now) else {
            return Ok(());
        };
        if due > now {
            return self.clamp(db, now, due, next).await;
        }
        let mut tx = db.begin().await?;
        let moved = "UPDATE schedules SET next_at = $3 WHERE name = $1 AND next_at = $2";
        if tx.execute(moved, &[&self.name, &due, &next]).await? == 1 && !self.is_unfinished(&mut tx).await? {
            let id: EventId = tx.new_id();
            let source = tx.service().to_owned();
            let job = NewJob {
                queue: self.queue,
                id,
                key: self.key.as_deref(),
                priority: self.priority,
                payload: self.payload.as_str().into(),
                source: &source,
                time: now,
                traceparent: None,
                waits: false,
                run_at: now,
            };
            insert_jobs(&mut tx, &[job]).await?;
            tx.signal();
        }
        tx.commit().await
    }

    /// Whether the job waits or runs. It is one of the newest of its queue, if so.
    async fn is_unfinished(&self, tx: &mut Tx) -> Result<bool, Error> {
        let sql = "SELECT state FROM (SELECT state, payload FROM jobs WHERE queue = $1 ORDER BY id DESC LIMIT $2) AS newest \
            WHERE payload = $3 AND state IN ('ready', 'waiting', 'suspect', 'running') LIMIT 1";
        let found: Option<String> = tx
            .fetch_optional(sql, &[&self.queue, &NEWEST, &self.payload])
            .await?;
        Ok(found.is_some())
    }

    /// Brings back what is due later than it can be: a clock was ahead when it was moved on. A clock that is ahead a little, as that
    /// of another machine may be, must not have a time come twice.
    async fn clamp(&self, db: &Db, now: Timestamp, due: Timestamp, next: Timestamp) -> Result<(), Error> {
        let latest = now
            .saturating_add(CLOCKS_APART)
            .ok()
            .and_then(|now| self.after(now));
        if latest.is_none_or(|latest| due <= latest) {
            return Ok(());
        }
        tracing::warn!(schedule = self.name, %due, %next, "a schedule was due too late, because a clock had been ahead; it was brought back");
        let sql = "UPDATE schedules SET next_at = $3 WHERE name = $1 AND next_at = $2";
        db.execute(sql, &[&self.name, &due, &next]).await.map(drop)
    }
}

pub(crate) async fn register(db: &Db, schedules: &[Schedule]) -> Result<(), Error> {
    for schedule in schedules {
        schedule.register(db).await?;
    }
    Ok(())
}

/// Looks every `poll` whether one is due.
pub(crate) async fn run(db: Db, schedules: Vec<Schedule>, poll: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        for schedule in &schedules {
            if let Err(error) = schedule.tick(&db).await {
                tracing::warn!(schedule = schedule.name, %error, "a schedule could not be looked at; trying again");
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }
}

//! Outbox, bus, inbox and jobs: at least once in delivery, exactly once in effect.
//!
//! [`TxExt::emit`] and [`TxExt::enqueue`] write into the transaction at hand. After its commit a relay hands events to the
//! bus, which writes one row for each subscription into the subscriber's own `jobs` table, unique by subscription and event;
//! workers run those rows, and a service's own jobs, each in a transaction with its effects.
//!
//! Events and jobs of one key run in the order of their commits, one at a time, for each subscription. One that fails for
//! good becomes a dead letter and no longer holds up those behind it.

mod aside;
mod bus;
mod channel;
mod console;
mod describe;
mod dispatcher;
mod halves;
mod handler;
mod ids;
mod inbox;
mod intake;
mod isolation;
mod lease;
mod letters;
mod limits;
mod measured;
mod model;
mod outbox;
mod pause;
mod purge;
mod relay;
mod runner;
mod schedule;
mod shares;
mod steady;
mod store;
mod troubles;
mod watch;
mod worker;

/// What its metrics tell.
pub const METRICS: &[(&str, &str)] = &[
    (
        "stoa_bus_publish_seconds",
        "Time that the bus took for one batch of events.",
    ),
    ("stoa_bus_published_total", "Events that the bus has taken."),
    (
        "stoa_bus_received_total",
        "Messages that came from the bus, by whether they could be read.",
    ),
    ("stoa_job_seconds", "Time of one attempt at a job, by queue."),
    (
        "stoa_jobs_total",
        "Attempts at jobs, by queue and how they ended.",
    ),
    ("stoa_jobs_ready", "Jobs of a service that could run now."),
    ("stoa_jobs_dead", "Dead letters of a service."),
    (
        "stoa_outbox_events",
        "Events of a service that the bus has not taken yet.",
    ),
    (
        "stoa_outbox_lag_seconds",
        "For how long the oldest of these has been waiting.",
    ),
];

pub use bus::{Bus, BusConfig, BusError, BusKind};
pub use channel::{Channel, ChannelError, ChannelPublished};
pub use console::{DeadLetter, QueueStats, dead_letters, drop_dead, replay, stats};
pub use describe::{AnyJson, DateTime, FieldInfo, example, reads, schema};
pub use handler::{AnyEvent, Done, Heading, JobError, JobHandler, Retry, Subscription, Work};
pub use isolation::Isolation;
pub use letters::{DeadPosition, dead_letters_after, dead_letters_of};
pub use model::{Audience, Event, EventId, EventInfo, Job};
pub use outbox::{TRACEPARENT, TxExt};
pub use schedule::Schedule;
pub use stoa_events_macros::{Event, Job};
pub use worker::{Registered, Worker, WorkerOptions};

use stoa_db::Migration;

/// The tables of this crate, applied to each service's database as the set "events".
pub const MIGRATIONS: &[Migration] = stoa_db::migrations!();

/// Single steps of the machinery, so that tests can stop between any two of them.
#[doc(hidden)]
pub mod steps {
    pub use crate::{
        handler::work,
        inbox::deliver_to,
        intake::take_in,
        relay::{forget, hand_on, outgoing},
        store::{Claimed, OutboxRow, Share, claim, release_all},
    };
}

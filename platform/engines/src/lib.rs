//! The engines of the split shape, for tests and for trying it out on one machine: real servers from the distribution's
//! packages, each on a free port of 127.0.0.1 and in a temporary folder of its own, stopped when dropped.
//!
//! The API blocks and panics with words: what needs an engine cannot go on without it.

#![expect(
    clippy::disallowed_methods,
    reason = "it waits by blocking, as its callers expect"
)]

mod folder;
mod haproxy;
mod nats;
mod pebble;
mod pgbouncer;
mod postgres;
mod process;
mod push;
mod python;
mod rabbit;
mod redis;
mod redis_cluster;
mod s3;
mod smtp;

pub use haproxy::HaProxy;
pub use nats::Nats;
pub use pebble::{Pebble, PebbleOptions};
pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use process::{Process, Spec, free_port};
pub use push::PushService;
pub use rabbit::Rabbit;
pub use redis::Redis;
pub use redis_cluster::RedisCluster;
pub use s3::S3;
pub use smtp::{SmtpAnswers, SmtpServer};

//! The engines that the services share.

use std::{fmt::Write, path::Path, thread};

use stoa_engines::{Nats, Postgres, Rabbit, Redis, S3};

use crate::plan::{BusKind, ObjectsKind, Plan};

/// The engines that the services share, each to be stopped and started by tests.
#[derive(Debug)]
pub struct Engines {
    /// The database of all services, a schema each.
    pub postgres: Postgres,
    /// The broker.
    pub broker: Broker,
    /// The cache.
    pub redis: Redis,
    /// The object store, unless objects are kept in a folder.
    pub s3: Option<S3>,
}

/// The broker that the plan asked for.
#[derive(Debug)]
pub enum Broker {
    /// NATS JetStream.
    Nats(Nats),
    /// RabbitMQ.
    Rabbit(Rabbit),
}

impl Broker {
    /// Its address, as `bus.url` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Nats(nats) => nats.url(),
            Self::Rabbit(rabbit) => rabbit.url(),
        }
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        match self {
            Self::Nats(nats) => nats.stop(),
            Self::Rabbit(rabbit) => rabbit.stop(),
        }
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        match self {
            Self::Nats(nats) => nats.kill(),
            Self::Rabbit(rabbit) => rabbit.kill(),
        }
    }

    /// Starts it again with what it had.
    pub fn start_again(&mut self) {
        match self {
            Self::Nats(nats) => nats.start_again(),
            Self::Rabbit(rabbit) => rabbit.start_again(),
        }
    }
}

impl Engines {
    /// Starts them all at once.
    pub(crate) fn start(plan: &Plan) -> Self {
        thread::scope(|scope| {
            let postgres = scope.spawn(Postgres::start);
            let broker = scope.spawn(|| match plan.bus {
                BusKind::Nats => Broker::Nats(Nats::start()),
                BusKind::Rabbit => Broker::Rabbit(Rabbit::start()),
            });
            let redis = scope.spawn(Redis::start);
            let s3 = (plan.objects == ObjectsKind::S3).then(S3::start);
            Self {
                postgres: joined(postgres),
                broker: joined(broker),
                redis: joined(redis),
                s3,
            }
        })
    }

    /// The settings that name them, as TOML; `folder` is for what no engine keeps.
    pub(crate) fn settings(&self, folder: &Path) -> String {
        let mut text = format!(
            "[bus]\nurl = \"{}\"\n\n[cache]\nurl = \"{}\"\n\n",
            self.broker.url(),
            self.redis.url()
        );
        // Writing to a string does not fail.
        let _ = match &self.s3 {
            Some(s3) => write!(
                text,
                "[objects]\nurl = \"{}\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\naccess_key_id = \"stoa\"\n\
                 secret_access_key = \"stoa-secret\"\n\n",
                s3.url(),
                s3.endpoint()
            ),
            None => write!(
                text,
                "[objects]\nurl = \"file://{}\"\n\n",
                folder.join("objects").display()
            ),
        };
        text
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

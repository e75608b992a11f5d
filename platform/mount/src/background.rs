//! What runs beside requests: workers and sealers.

use std::time::Duration;

use futures::future::join_all;
use stoa_audit::{Sealer, Sealing, Suspension};
use stoa_db::Engine;
use stoa_events::{Bus, Registered, Worker, WorkerOptions};

use crate::{Error, Mounted};

/// Workers and sealers of every service of this process.
pub struct Background {
    workers: Vec<Worker>,
    sealers: Vec<(&'static str, Sealer)>,
}

impl Background {
    /// Runs what services do before their first request, then starts their workers, once every subscriber is on the bus:
    /// what an outbox kept from before a crash must find them all. `buses` are theirs, in the same order; `wants` says which
    /// services want which events, also those that run elsewhere.
    ///
    /// # Errors
    /// When a service cannot start, or its audit log was sealed with another key.
    pub async fn start(
        mounted: &mut [Mounted],
        buses: Vec<Bus>,
        wants: &[(&str, &[&str])],
        options: &WorkerOptions,
        sealing: &Sealing,
    ) -> Result<Self, Error> {
        let (mut workers, mut sealers) = (Vec::new(), Vec::new());
        for (one, bus) in mounted.iter_mut().zip(buses) {
            let service = &mut one.service;
            stoa_audit::check_key(&one.db, &sealing.key).await?;
            if let Some(start) = service.start.take() {
                let started = start().await;
                started.map_err(|e| format!("{} cannot start: {e}", service.name))?;
            }
            bus.declare(wants).await?;
            let worker = Worker::register(
                one.db.clone(),
                bus,
                std::mem::take(&mut service.subscriptions),
                std::mem::take(&mut service.jobs),
                std::mem::take(&mut service.schedules),
                WorkerOptions {
                    // A file has no other process that works on it.
                    sole: options.sole || one.db.engine() == Engine::Sqlite,
                    ..options.clone()
                },
            );
            workers.push(worker.await?);
            sealers.push((service.name, Sealer::start(one.db.clone(), sealing.clone())));
        }
        Ok(Self {
            workers: workers.into_iter().map(Registered::start).collect(),
            sealers,
        })
    }

    /// The workers, in the order of their services.
    #[must_use]
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// Whether the audit log of each service is sealed.
    #[must_use]
    pub fn suspensions(&self) -> Vec<(&'static str, Suspension)> {
        let sealers = self.sealers.iter();
        sealers
            .map(|(name, sealer)| (*name, sealer.suspension()))
            .collect()
    }

    /// Waits for running jobs, `grace` at most, and seals what is left.
    pub async fn stop(self, grace: Duration) {
        join_all(self.workers.into_iter().map(|worker| worker.stop(grace))).await;
        join_all(self.sealers.into_iter().map(|(_, sealer)| sealer.stop())).await;
    }
}

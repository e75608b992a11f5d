//! What every handler, job and subscription of this service is given.

use std::{ops::Deref, sync::Arc};

use stoa_auth_api::{Access, Registrations};
use stoa_db::Db;
use stoa_kernel::Clock;
use stoa_objects::Objects;
use stoa_service::Env;
use tokio::sync::Semaphore;

use crate::UsersConfig;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ctx(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) objects: Objects,
    pub(crate) clock: Clock,
    pub(crate) access: Access,
    pub(crate) registrations: Registrations,
    pub(crate) config: UsersConfig,
    /// Pictures decoded at once.
    pub(crate) decoders: Arc<Semaphore>,
    /// The memory that they may take up together, in KiB.
    pub(crate) decoder_memory: Arc<Semaphore>,
}

impl Ctx {
    pub(crate) fn new(env: Env, config: UsersConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let memory = (config.avatar_memory_bytes / 1024).clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Parts {
            decoder_memory: Arc::new(Semaphore::new(memory)),
            access: Access::new(&env.rpc),
            registrations: Registrations::new(&env.rpc),
            db: env.db,
            objects: env.objects,
            clock: env.clock,
            config,
            decoders: Arc::new(Semaphore::new((cores / 2).max(1))),
        }))
    }
}

impl Deref for Ctx {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

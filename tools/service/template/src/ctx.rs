//! What every handler, job and subscription of this service is given.

use std::{ops::Deref, sync::Arc};

use stoa_auth_api::Access;
use stoa_db::Db;
use stoa_kernel::Clock;
use stoa_service::Env;

use crate::__Name__Config;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ctx(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    /// Whom a request acts for, and what they may do.
    pub(crate) access: Access,
    pub(crate) config: __Name__Config,
}

impl Ctx {
    pub(crate) fn new(env: Env, config: __Name__Config) -> Self {
        Self(Arc::new(Parts {
            access: Access::new(&env.rpc),
            db: env.db,
            clock: env.clock,
            config,
        }))
    }
}

impl Deref for Ctx {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

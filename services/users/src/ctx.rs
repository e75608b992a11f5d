//! What every handler, job and subscription of this service is given.

use std::{ops::Deref, sync::Arc};

use stoa_auth_api::{Access, Registrations};
use stoa_db::Db;
use stoa_kernel::{Clock, UserId};
use stoa_pictures::{Kind, Pictures};
use stoa_service::Env;

use crate::UsersConfig;

/// People's pictures.
const AVATARS: Kind = Kind {
    folder: "users/avatars",
    table: "pending_avatars",
    owner: "user_id",
};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ctx(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) access: Access,
    pub(crate) registrations: Registrations,
    pub(crate) config: UsersConfig,
    pub(crate) avatars: Pictures<UserId>,
}

impl Ctx {
    pub(crate) fn new(env: Env, config: UsersConfig) -> Self {
        Self(Arc::new(Parts {
            avatars: Pictures::new(AVATARS, config.avatar(), env.objects),
            access: Access::new(&env.rpc),
            registrations: Registrations::new(&env.rpc),
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

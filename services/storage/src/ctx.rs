//! What every handler, job and subscription of this service is given.

use std::{num::NonZeroU32, ops::Deref, sync::Arc, time::Duration};

use stoa_auth_api::{Access, Standings};
use stoa_cache::{LimitKey, Limiter};
use stoa_db::Db;
use stoa_kernel::{Clock, Rate, UserId};
use stoa_objects::Objects;
use stoa_secrets::Secrets;
use stoa_service::Env;

use crate::{
    StorageConfig,
    ops::{renditions::Renditions, uploads::turn::Writers},
    passwords::Passwords,
    uploads::{Most, Uploads},
};

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ctx(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) objects: Objects,
    /// Whom a request acts for, and what they may do.
    pub(crate) access: Access,
    pub(crate) uploads: Uploads,
    pub(crate) renditions: Renditions,
    /// The requests that append to uploads in parts.
    pub(crate) writers: Writers,
    pub(crate) passwords: Passwords,
    /// Guesses of the password of one link.
    pub(crate) guesses: Limiter,
    /// Notices of new access keys that one person causes.
    notices: Limiter,
    /// Requests with a wrong signature of one address.
    pub(crate) signatures: Limiter,
    /// Who acts by an access key.
    pub(crate) standings: Standings,
    pub(crate) secrets: Secrets,
    /// What pages are headed with.
    pub(crate) product_name: String,
    pub(crate) config: StorageConfig,
}

impl Ctx {
    pub(crate) fn new(env: Env, config: StorageConfig) -> Self {
        Self(Arc::new(Parts {
            access: Access::new(&env.rpc),
            uploads: Uploads::new(Most {
                in_all: config.uploads_max,
                of_caller: config.uploads_per_caller,
                of_network: config.uploads_per_network,
            }),
            renditions: Renditions::new(
                &config,
                env.cache
                    .limiter("storage.renditions", config.renditions_per_address),
            ),
            writers: Writers::default(),
            passwords: Passwords::new(),
            guesses: env.cache.limiter("storage.link_password", config.link_guesses),
            notices: env.cache.limiter("storage.notices", NOTICES),
            signatures: env.cache.limiter("storage.signature", config.signature_guesses),
            standings: Standings::new(&env.rpc),
            secrets: env.secrets,
            product_name: env.product_name,
            objects: env.objects,
            db: env.db,
            clock: env.clock,
            config,
        }))
    }
}

/// Notices of new access keys that one person causes.
const NOTICES: Rate = Rate::Limit {
    count: NonZeroU32::new(10).unwrap(),
    period: Duration::from_secs(3600),
};

impl Ctx {
    /// Whether owners are notified of one more access key that `user` makes: nobody who has an account can fill mailboxes. Ask before the
    /// transaction begins.
    pub(crate) async fn may_notify(&self, user: UserId) -> bool {
        self.notices
            .allows(LimitKey::User(user.uuid().into_bytes()))
            .await
    }
}

impl Deref for Ctx {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

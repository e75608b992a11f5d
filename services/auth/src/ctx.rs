//! What every part of the service shares.

use std::{ops::Deref, sync::Arc};

use stoa_cache::Cache;
use stoa_db::Db;
use stoa_http::Verifier;
use stoa_kernel::{Clock, OrganizationId};
use stoa_pictures::{Kind, Pictures};
use stoa_secrets::Secrets;
use stoa_service::Env;

use crate::{
    config::AuthConfig, keys::KeyRing, lockout::Lockout, page::PageTemplate, password::Hasher,
    permissions::Known,
};

/// The pictures of organizations.
const PICTURES: Kind = Kind {
    folder: "auth/organizations",
    table: "pending_pictures",
    owner: "organization_id",
};

/// What handlers, jobs and calls of other services share. Cheap to clone; the state of the router.
#[derive(Clone)]
pub(crate) struct Ctx(Arc<Shared>);

/// The parts.
pub(crate) struct Shared {
    pub(crate) db: Db,
    pub(crate) cache: Cache,
    pub(crate) clock: Clock,
    pub(crate) config: AuthConfig,
    /// Checks access tokens in this process: told of every new key and of every revocation, after its commit.
    pub(crate) verifier: Verifier,
    pub(crate) page: PageTemplate,
    pub(crate) keys: KeyRing,
    /// Opened by [`crate::ops::start`] as well.
    pub(crate) secrets: Secrets,
    pub(crate) passwords: Hasher,
    pub(crate) lockout: Lockout,
    pub(crate) pictures: Pictures<OrganizationId>,
    /// Without a slash at its end.
    pub(crate) public_url: String,
    pub(crate) product_name: String,
    /// What API keys may be for.
    pub(crate) permissions: Known,
}

impl Ctx {
    /// Starts the threads that hash passwords; the keys are opened by [`crate::ops::start`].
    pub(crate) fn new(env: Env, config: AuthConfig) -> Result<Self, String> {
        config.check()?;
        Ok(Self(Arc::new(Shared {
            keys: KeyRing::new(env.clock.clone(), &config),
            secrets: Secrets::new(env.data_dir.join("keys"), &config.secret)?,
            passwords: Hasher::start(&config.password)?,
            lockout: Lockout::new(&env.cache, &config.rate_limit),
            page: PageTemplate::new()?,
            pictures: Pictures::new(PICTURES, config.organizations.picture(), env.objects),
            db: env.db,
            cache: env.cache,
            clock: env.clock,
            verifier: env.verifier,
            public_url: env.public_url,
            product_name: env.product_name,
            permissions: Known::new(env.permissions.to_vec()),
            config,
        })))
    }
}

impl Ctx {
    /// Issuers whose access tokens are accepted; the first is the one that issues.
    pub(crate) fn issuers(&self) -> Vec<String> {
        let own = match self.config.issuer.as_str() {
            "" => &self.public_url,
            set => set,
        };
        let former = self.config.former_issuers.iter();
        std::iter::once(own)
            .chain(former.map(String::as_str))
            .map(str::to_owned)
            .collect()
    }
}

impl Deref for Ctx {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

//! What somebody may do, changed in a transaction.

use std::time::Duration;

use stoa_auth_api::{
    events::{AccessChanged, OrganizationAccessChanged, RoleChanged},
    tell_key_changed,
};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::UserId;

use crate::{
    config::{ACCESS_TOKEN_LIFETIME_MAX, CLOCKS_APART},
    ctx::Ctx,
    error::Result,
    ops::commit::commit_then,
    store::{
        api_keys::Removed,
        organizations::Organization,
        revocations::{
            RaisedOrganization, RaisedRole, RaisedVersion, raise_organization, raise_role, raise_version,
        },
    },
};

/// For how long it is known that access tokens are stale: as long as any of them may live, also one that was issued under another setting.
pub(crate) const STALE_FOR: Duration = ACCESS_TOKEN_LIFETIME_MAX.saturating_add(CLOCKS_APART);

/// Access tokens that a transaction makes stale and keys that it removes. This process refuses them once it has committed.
#[derive(Default)]
#[must_use = "it commits the transaction"]
pub(crate) struct Changes {
    accounts: Vec<RaisedVersion>,
    roles: Vec<RaisedRole>,
    organizations: Vec<RaisedOrganization>,
    /// Hashes of keys.
    keys: Vec<Vec<u8>>,
}

impl Changes {
    /// The access tokens which this account has are stale.
    pub(crate) async fn account(&mut self, tx: &mut Tx, user: UserId) -> Result<()> {
        let until = tx.clock().after(STALE_FOR);
        let Some(raised) = raise_version(tx, user, until).await? else {
            return Ok(());
        };
        tx.emit(&AccessChanged {
            user_id: raised.user_id,
            version: raised.version,
            until,
        })
        .await?;
        self.accounts.push(raised);
        Ok(())
    }

    /// Access tokens that name this role in an earlier version are stale. However many have it, this is one row.
    pub(crate) async fn role(&mut self, tx: &mut Tx, name: &str, version: i64) -> Result<()> {
        let until = tx.clock().after(STALE_FOR);
        self.roles.push(raise_role(tx, name, version, until).await?);
        tx.emit(&RoleChanged {
            role: name.to_owned(),
            version,
            until,
        })
        .await?;
        Ok(())
    }

    /// Access tokens that name this organization in an earlier version are stale. However many members it has, this is one row.
    pub(crate) async fn organization(&mut self, tx: &mut Tx, organization: &Organization) -> Result<()> {
        let until = tx.clock().after(STALE_FOR);
        let (id, version) = (organization.id, organization.access_version);
        self.organizations
            .push(raise_organization(tx, id, version, until).await?);
        tx.emit(&OrganizationAccessChanged {
            organization_id: id,
            version,
            until,
        })
        .await?;
        Ok(())
    }

    /// The API keys of these hashes no longer work.
    pub(crate) fn key_hashes(&mut self, hashes: Vec<Vec<u8>>) {
        self.keys.extend(hashes);
    }

    /// These API keys were removed.
    pub(crate) fn keys(&mut self, removed: Vec<Removed>) {
        self.keys.extend(removed.into_iter().map(|key| key.hash));
    }

    /// Commits. From then on this process refuses what was changed; the others do within a second.
    pub(crate) async fn commit(self, ctx: &Ctx, tx: Tx) -> Result<()> {
        let ctx = ctx.clone();
        Ok(commit_then(tx, async move { self.apply(&ctx).await }).await?)
    }

    /// To be done after the commit.
    pub(crate) async fn apply(self, ctx: &Ctx) {
        for one in self.accounts {
            ctx.verifier.raise_version(one.user_id, one.version, one.until);
        }
        for one in self.roles {
            ctx.verifier.raise_role(&one.role, one.version, one.until);
        }
        for one in self.organizations {
            ctx.verifier
                .raise_organization(one.organization_id, one.version, one.until);
        }
        for hash in self.keys {
            tell_key_changed(&ctx.cache, &hash).await;
        }
    }
}

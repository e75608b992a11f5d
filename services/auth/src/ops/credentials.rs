//! What keeps somebody signed in to an account, ended for its owner.

use std::{collections::BTreeSet, time::Duration};

use stoa_audit::TxExt as _;
use stoa_auth_api::{events::CredentialsRevoked, tell_key_changed};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{OrganizationId, SessionId, UserId};

use crate::{
    ctx::Ctx,
    error::Result,
    notifications::MailKind,
    ops::{
        changes::Changes,
        commit::commit_then,
        notices::Notices,
        organizations::{
            Notice,
            lifecycle::{self, ORGANIZATION},
            tell_owners,
        },
        origin::Origin,
        sessions::{Ending, end_all},
    },
    store::{
        api_keys, domains, grants, invitations, known_networks,
        mail_tokens::{self, Purpose},
        totp,
    },
};

/// What happens to the API keys of an account whose sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiKeys {
    /// They go on working.
    Keep,
    /// They are removed.
    End,
}

impl ApiKeys {
    pub(crate) fn end_if(end: bool) -> Self {
        if end { Self::End } else { Self::Keep }
    }
}

/// Whose credentials end, who ended them, and whom to tell.
pub(crate) struct Case<'a> {
    pub(crate) user: UserId,
    /// None: whoever runs the installation.
    pub(crate) actor: Option<UserId>,
    pub(crate) origin: &'a Origin,
    pub(crate) notices: Notices,
}

/// What was ended in a transaction, for the verifier and for caches to hear of after its commit.
#[must_use = "it commits the transaction"]
pub(crate) struct Ended {
    sessions: Ending,
    /// Hashes of the keys.
    keys: Vec<Vec<u8>>,
    changes: Changes,
}

impl Ended {
    /// Commits. From then on this process refuses them; other processes do within a second.
    pub(crate) async fn commit(self, ctx: &Ctx, tx: Tx) -> Result<()> {
        let ctx = ctx.clone();
        let told = async move {
            self.sessions.tell(&ctx);
            for hash in &self.keys {
                tell_key_changed(&ctx.cache, hash).await;
            }
            self.changes.apply(&ctx).await;
        };
        Ok(commit_then(tx, told).await?)
    }
}

impl Case<'_> {
    /// Ends every session but `spared`, and the API keys if they are to end. A second factor that is only being set up goes
    /// as well, and nothing in a mail sets a password any more.
    pub(crate) async fn end(&self, tx: &mut Tx, spared: Option<SessionId>, keys: ApiKeys) -> Result<Ended> {
        mail_tokens::remove_all(tx, self.user, Purpose::Reset).await?;
        totp::remove_unconfirmed(tx, self.user).await?;
        let keys = match keys {
            ApiKeys::Keep => Vec::new(),
            ApiKeys::End => self.end_keys(tx).await?,
        };
        let sessions = end_all(tx, self.user, spared, self.actor, self.origin).await?;
        Ok(Ended {
            sessions,
            keys,
            changes: Changes::default(),
        })
    }

    /// Ends all that was ever set up on the account, by somebody who had not shown that its address is theirs: sessions, links in
    /// mails, networks that count as known, and all of [`Self::end_what_was_set_up`]. The organizations that were held before because
    /// they have no other member are deleted; they can be restored within `grace`.
    pub(crate) async fn end_everything(
        &self,
        tx: &mut Tx,
        alone: &[OrganizationId],
        grace: Duration,
    ) -> Result<Ended> {
        let set_up = self.end_what_was_set_up(tx).await?;
        mail_tokens::remove_all(tx, self.user, Purpose::Verify).await?;
        known_networks::remove_all(tx, self.user).await?;
        let mut ended = self.end(tx, None, ApiKeys::Keep).await?;
        for &id in alone {
            lifecycle::end(tx, id, grace, &mut ended.changes).await?;
            let entry = self
                .origin
                .entry(self.actor, "organization.delete", ORGANIZATION, Some(id.uuid()));
            tx.audit(&entry.organization(id)).await?;
        }
        Ok(Ended {
            keys: set_up.keys,
            ..ended
        })
    }

    /// Ends what works without a session and would outlive a new password: API keys, the second factor, and what was granted to
    /// others.
    pub(crate) async fn end_what_was_set_up(&self, tx: &mut Tx) -> Result<Ended> {
        if totp::remove(tx, self.user).await? {
            self.note(tx, "totp.disable", "account", self.user.uuid()).await?;
            self.notices.tell(tx, MailKind::TotpDisabled).await?;
        }
        for grant in grants::remove_given_by(tx, self.user).await? {
            self.note(tx, "grant.remove", "grant", grant.uuid()).await?;
        }
        self.end_requests(tx).await?;
        Ok(Ended {
            sessions: Ending::default(),
            keys: self.end_keys(tx).await?,
            changes: Changes::default(),
        })
    }

    /// Ends what waits for an answer of others and would give them something then: invitations sent, and domains claimed.
    pub(crate) async fn end_requests(&self, tx: &mut Tx) -> Result<()> {
        invitations::remove_all_sent_by(tx, self.user).await?;
        domains::remove_all_waiting_of(tx, self.user).await?;
        Ok(())
    }

    async fn end_keys(&self, tx: &mut Tx) -> Result<Vec<Vec<u8>>> {
        let removed = api_keys::remove_all(tx, self.user).await?;
        let mut organizations = BTreeSet::new();
        for key in &removed {
            organizations.extend(key.organization_id);
            let id = Some(key.id.uuid());
            let mut entry = self.origin.entry(self.actor, "api_key.remove", "api_key", id);
            entry.organization_id = key.organization_id;
            tx.audit(&entry).await?;
        }
        if !removed.is_empty() {
            self.notices.tell(tx, MailKind::ApiKeysEnded).await?;
        }
        for organization in organizations {
            let notice = Notice::new(MailKind::OrganizationKeysEnded, self.user, self.user);
            tell_owners(tx, organization, notice).await?;
        }
        tx.emit(&CredentialsRevoked { user_id: self.user }).await?;
        Ok(removed.into_iter().map(|key| key.hash).collect())
    }

    async fn note(&self, tx: &mut Tx, action: &str, kind: &str, id: uuid::Uuid) -> Result<()> {
        Ok(tx
            .audit(&self.origin.entry(self.actor, action, kind, Some(id)))
            .await?)
    }
}

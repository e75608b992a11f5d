//! Making, using and deleting access keys.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_auth_api::Stands;
use stoa_kernel::{Actor, Id, OrganizationId, OrganizationRole, Owner, Principal, Timestamp, UserId, random};
use zeroize::Zeroizing;

use super::{BATCH, REVOKED, revocations};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::AccessKeyId,
    notifications,
    store::{
        access_keys::{self, AccessKeyRow},
        owners,
    },
};

/// Who in an organization makes and deletes its access keys. A key of somebody who is none of these any more does nothing.
pub(crate) const ROLES: &[OrganizationRole] = &[OrganizationRole::Admin, OrganizationRole::Owner];
/// What keys are narrowed to: those that only read, and others.
const READS: &[&str] = &["buckets.read", "objects.read"];
const WRITES: &[&str] = &["buckets.read", "buckets.write", "objects.read", "objects.write"];
/// How exactly it is kept when a key was last used.
const MINUTE: Duration = Duration::from_secs(60);
/// Random bytes in a secret, which has four characters for three of them.
const SECRET: usize = 30;

/// What a key is to be.
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) is_read_only: bool,
    /// The only buckets that it is for; empty for all.
    pub(crate) buckets: Vec<String>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// Makes a key of the owner, and its secret, which is shown once; for a request that began then.
pub(crate) async fn create(
    ctx: &Ctx,
    actor: &Actor,
    owner: Owner,
    (new, begun): (NewKey, Timestamp),
) -> Result<(AccessKeyRow, String), Error> {
    let id: AccessKeyId = Id::new(&ctx.clock);
    let secret = random::token::<SECRET>();
    let row = AccessKeyRow {
        id,
        key_id: key_id(random::bytes()),
        owner,
        made_by: actor.user_id,
        name: new.name,
        secret: ctx.secrets.seal(&place(id), secret.as_bytes())?,
        is_read_only: new.is_read_only,
        buckets: new.buckets,
        created_at: begun,
        expires_at: new.expires_at,
        last_used_at: None,
    };
    let max = ctx.config.access_keys_max;
    let notify = ctx.may_notify(actor.user_id).await;
    let mut tx = ctx.db.begin().await?;
    // The organization before the person: always in one order.
    if !owners::lock(&mut tx, owner).await? {
        return Err(Error::Erased);
    }
    revocations::lock(&mut tx, actor.user_id, begun).await?;
    if access_keys::count(&mut tx, owner, max).await? >= max {
        return Err(Error::AccessKeysFull(max));
    }
    access_keys::insert(&mut tx, &row).await?;
    let entry = Entry::by(actor, "access_key.create", "access_key", Some(id.uuid()));
    let detail = json!({ "access_key_id": row.key_id, "read_only": row.is_read_only });
    tx.audit(&entry.owner(owner).detail(detail)).await?;
    if notify {
        notifications::access_key_created(&mut tx, &row).await?;
    }
    tx.commit().await?;
    Ok((row, secret))
}

/// Deletes a key: nothing is signed with it any more.
pub(crate) async fn delete(ctx: &Ctx, actor: &Actor, key: &AccessKeyRow) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    if !access_keys::delete(&mut tx, key.id).await? {
        return Err(Error::NotFound);
    }
    let entry = Entry::by(actor, "access_key.delete", "access_key", Some(key.id.uuid()));
    let detail = json!({ "access_key_id": key.key_id });
    tx.audit(&entry.owner(key.owner).detail(detail)).await?;
    tx.commit().await?;
    Ok(())
}

/// The key that a request names, and its secret; none where there is no such key or its time is over.
pub(crate) async fn find(
    ctx: &Ctx,
    key_id: &str,
) -> Result<Option<(AccessKeyRow, Zeroizing<Vec<u8>>)>, Error> {
    let Some(key) = access_keys::by_key_id(&ctx.db, key_id).await? else {
        return Ok(None);
    };
    if key.expires_at.is_some_and(|at| at <= ctx.clock.now()) {
        return Ok(None);
    }
    let secret = ctx.secrets.open(&place(key.id), &key.secret)?;
    Ok(Some((key, secret)))
}

/// Who acts by a key with which a request was signed, as auth says it at this time; none where its maker could not make it any more.
pub(crate) async fn principal(ctx: &Ctx, key: &AccessKeyRow) -> Result<Option<Arc<Principal>>, Error> {
    let organization = organization_of(key.owner);
    let stands = Stands {
        user: key.made_by,
        organization,
        scopes: if key.is_read_only { READS } else { WRITES },
    };
    let principal = ctx.standings.of(stands).await?;
    Ok(principal.filter(|principal| {
        organization.is_none_or(|id| {
            let role = principal.memberships.role_in(id);
            role.is_some_and(|role| ROLES.contains(&role))
        })
    }))
}

/// Notes that it was used, at most once a minute. Should that fail, the request is answered all the same.
pub(crate) async fn used(ctx: &Ctx, key: &AccessKeyRow) {
    let now = ctx.clock.now();
    let is_noted = key.last_used_at.is_some_and(|at| {
        let since = now.as_millisecond() - at.as_millisecond();
        since < i64::try_from(MINUTE.as_millis()).unwrap_or(i64::MAX)
    });
    if !is_noted && let Err(error) = access_keys::touch(&ctx.db, key.id, now).await {
        tracing::warn!(%error, "it could not be kept when an access key was last used");
    }
}

/// Deletes the keys that this person made until then, also those for organizations.
pub(crate) async fn revoke(ctx: &Ctx, user: UserId, until: Timestamp) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        let deleted = access_keys::take_made_by(&mut tx, user, until, BATCH).await?;
        for key in &deleted {
            let entry = Entry::new(None, "access_key.delete", "access_key", Some(key.id.uuid()));
            let detail = json!({ "access_key_id": key.key_id, "reason": REVOKED });
            tx.audit(&entry.owner(key.owner).detail(detail)).await?;
        }
        tx.commit().await?;
        if deleted.len() < BATCH as usize {
            return Ok(());
        }
    }
}

/// Deletes some keys of an owner who is erased, and of those that they made for organizations; false if there was none.
pub(crate) async fn erase_some(ctx: &Ctx, owner: Owner) -> Result<bool, Error> {
    let mut tx = ctx.db.begin().await?;
    let mut deleted = access_keys::delete_of(&mut tx, owner, BATCH).await?;
    if let Owner::User(user) = owner {
        deleted += access_keys::take_made_by(&mut tx, user, Timestamp::MAX, BATCH)
            .await?
            .len() as u64;
    }
    if deleted == 0 {
        tx.rollback().await;
        return Ok(false);
    }
    tx.shred();
    tx.commit().await?;
    Ok(true)
}

fn organization_of(owner: Owner) -> Option<OrganizationId> {
    match owner {
        Owner::Organization(id) => Some(id),
        Owner::User(_) => None,
    }
}

/// For what its secret is sealed.
fn place(id: AccessKeyId) -> String {
    format!("access_key:{id}")
}

/// Twenty characters, as clients of S3 expect them: 80 random bits in Base32.
fn key_id(random: [u8; 10]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut bits = random
        .iter()
        .fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let mut id = [0; 16];
    for place in id.iter_mut().rev() {
        *place = LETTERS[(bits & 31) as usize];
        bits >>= 5;
    }
    format!("AKIA{}", String::from_utf8_lossy(&id))
}

/// Whether it is written as the id of a key. Others are not looked up.
pub(crate) fn is_key_id(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
    text.len() == 20 && text.starts_with("AKIA") && text.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_keys_use_all_of_their_bits() {
        assert_eq!(key_id([0; 10]), "AKIAAAAAAAAAAAAAAAAA");
        assert_eq!(key_id([255; 10]), "AKIA7777777777777777");
        assert_eq!(key_id([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), "AKIAAAAAAAAAAAAAAAAB");
        assert!(is_key_id(&key_id(random::bytes())) && !is_key_id("AKIAaaaaaaaaaaaaaaaa"));
    }
}

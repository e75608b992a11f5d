//! Making, using and revoking links.

use std::net::IpAddr;

use serde_json::json;
use sha2::{Digest, Sha256};
use stoa_audit::{Entry, TxExt as _};
use stoa_cache::LimitKey;
use stoa_kernel::{Actor, Id, Timestamp, UserId, random};

use super::{BATCH, REVOKED, revocations};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::{LinkId, VersionId},
    store::{
        buckets::{self, BucketRow},
        links::{self, LinkRow},
    },
};

/// What a link is to be.
pub(crate) struct NewLink {
    pub(crate) kind: &'static str,
    pub(crate) path: String,
    pub(crate) version_id: Option<VersionId>,
    pub(crate) max_bytes: Option<i64>,
    pub(crate) password: Option<String>,
    pub(crate) max_uses: Option<i64>,
    pub(crate) expires_at: Timestamp,
}

/// Makes a link, and the token that is shown once; for a request that began then.
pub(crate) async fn create(
    ctx: &Ctx,
    actor: &Actor,
    bucket: &BucketRow,
    (new, begun): (NewLink, Timestamp),
) -> Result<(LinkRow, String), Error> {
    let password = match &new.password {
        None => None,
        Some(password) => Some(ctx.passwords.keep(password, actor.request.address).await?),
    };
    let token = random::token::<32>();
    let row = LinkRow {
        id: Id::new(&ctx.clock),
        token_hash: hash(&token),
        bucket_id: bucket.id,
        kind: new.kind.to_owned(),
        path: new.path,
        version_id: new.version_id,
        max_bytes: new.max_bytes,
        password,
        max_uses: new.max_uses,
        uses: 0,
        created_at: begun,
        expires_at: new.expires_at,
        made_by: Some(actor.user_id),
    };
    let max = ctx.config.links_max;
    let mut tx = ctx.db.begin().await?;
    revocations::lock(&mut tx, actor.user_id, begun).await?;
    if !buckets::count(&mut tx, bucket.id, 0, 0).await? {
        return Err(Error::NotFound);
    }
    if links::count(&mut tx, bucket.id, max).await? >= max {
        return Err(Error::LinksFull(max));
    }
    links::insert(&mut tx, &row).await?;
    let entry = Entry::by(actor, "link.create", "link", Some(row.id.uuid()));
    tx.audit(&entry.owner(bucket.owner)).await?;
    tx.commit().await?;
    Ok((row, token))
}

/// Revokes a link.
pub(crate) async fn revoke(ctx: &Ctx, actor: &Actor, bucket: &BucketRow, id: LinkId) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    if !links::delete(&mut tx, bucket.id, id).await? {
        return Err(Error::NotFound);
    }
    let entry = Entry::by(actor, "link.delete", "link", Some(id.uuid()));
    tx.audit(&entry.owner(bucket.owner)).await?;
    tx.commit().await?;
    Ok(())
}

/// Revokes the links that this person made until then, in whose bucket ever.
pub(crate) async fn revoke_made_by(ctx: &Ctx, user: UserId, until: Timestamp) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        let revoked = links::take_made_by(&mut tx, user, until, BATCH).await?;
        for link in &revoked {
            let mut entry = Entry::new(None, "link.delete", "link", Some(link.id.uuid()));
            if let Some(bucket) = buckets::find(&mut tx, link.bucket_id).await? {
                entry = entry.owner(bucket.owner);
            }
            tx.audit(&entry.detail(json!({ "reason": REVOKED }))).await?;
        }
        tx.commit().await?;
        if revoked.len() < BATCH as usize {
            return Ok(());
        }
    }
}

/// The link of a token and its bucket, for one at `address` who knows its password. It is not used by that yet.
///
/// # Errors
/// When there is none that can be used, or the password is wrong. Guesses are limited for each link.
pub(crate) async fn open(
    ctx: &Ctx,
    token: &str,
    kind: &str,
    (password, address): (Option<&str>, IpAddr),
) -> Result<(LinkRow, BucketRow), Error> {
    let found = links::get(&ctx.db, &hash(token), ctx.clock.now()).await?;
    let link = found.filter(|link| link.kind == kind).ok_or(Error::NotFound)?;
    let bucket = buckets::by_id(&ctx.db, link.bucket_id)
        .await?
        .ok_or(Error::NotFound)?;
    // Once more by its name: not where its owner is suspended or erased.
    let bucket = buckets::get(&ctx.db, &bucket.name)
        .await?
        .ok_or(Error::NotFound)?;
    if let Some(kept) = &link.password {
        let password = password.ok_or(Error::PasswordRequired)?;
        let key = LimitKey::hash(&[link.id.uuid().as_bytes()]);
        let verdict = ctx.guesses.check(key).await;
        if let Some(verdict) = verdict.filter(|verdict| !verdict.allowed) {
            return Err(Error::TooManyGuesses(verdict.retry_after));
        }
        if !ctx.passwords.is_right(password, kept, address).await? {
            return Err(Error::PasswordWrong);
        }
        ctx.guesses.give_back(key).await;
    }
    Ok((link, bucket))
}

/// Counts a use.
///
/// # Errors
/// When none is left.
pub(crate) async fn take(ctx: &Ctx, link: &LinkRow) -> Result<(), Error> {
    if links::take(&ctx.db, link.id, ctx.clock.now()).await? {
        return Ok(());
    }
    Err(Error::NotFound)
}

/// Deletes links whose time is over.
pub(crate) async fn purge(ctx: &Ctx, now: Timestamp) -> Result<(), Error> {
    loop {
        let mut tx = ctx.db.begin().await?;
        let deleted = links::delete_expired(&mut tx, now, BATCH).await?;
        tx.commit().await?;
        if deleted < u64::from(BATCH) {
            return Ok(());
        }
    }
}

/// What is kept of a token. It has 256 random bits, so that no slower hash is needed.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

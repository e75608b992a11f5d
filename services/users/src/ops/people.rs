//! Other people's profiles. Whoever looks at one is written down before they see it.

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::{Actor, Page, PageRequest, Principal, Resource, UserId};

use super::profile;
use crate::{
    ctx::Ctx,
    error::Error,
    store::{self, profiles::ProfileRow, search::Filter},
};

/// Permission to read everybody's profile.
pub(crate) const READ_ALL: &str = "users.read";
/// Kind of resource that grants on one profile name; its id is the person's.
pub(crate) const PROFILE: &str = "profile";

/// Whether `principal` may read the profile of `user`, be there one or not.
pub(crate) async fn may_read(ctx: &Ctx, principal: &Principal, user: UserId) -> Result<bool, Error> {
    if principal.user_id == user && principal.in_scope("profile.read") {
        return Ok(true);
    }
    let resource = Resource::owned(PROFILE, user.uuid(), user);
    Ok(ctx.access.allow(principal, READ_ALL, &resource).await?.allowed)
}

/// The profile of `user`, whom the caller may read.
pub(crate) async fn read(ctx: &Ctx, actor: &Actor, user: UserId) -> Result<ProfileRow, Error> {
    if actor.user_id == user {
        return profile::own(ctx, user).await;
    }
    let row = store::profiles::get(&ctx.db, user)
        .await?
        .ok_or(Error::NotFound)?;
    let mut tx = ctx.db.begin().await?;
    note_read(&mut tx, actor, user).await?;
    tx.audit(&Entry::by(actor, "profile.read", PROFILE, Some(user.uuid())))
        .await?;
    tx.commit().await?;
    Ok(row)
}

/// A page of profiles. That the caller sees these people is written down before: for each of them, and once for the page.
pub(crate) async fn list(
    ctx: &Ctx,
    actor: &Actor,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<ProfileRow>, Error> {
    let found = store::search::list(&ctx.db, filter, page).await?;
    let seen = found.items.iter().map(|row| row.user_id);
    let others: Vec<UserId> = seen.filter(|user| *user != actor.user_id).collect();
    if others.is_empty() {
        return Ok(found);
    }
    let mut tx = ctx.db.begin().await?;
    for user in &others {
        note_read(&mut tx, actor, *user).await?;
    }
    tx.audit(&Entry::by(actor, "profile.list", PROFILE, None).detail(json!({ "user_ids": others })))
        .await?;
    tx.commit().await?;
    Ok(found)
}

async fn note_read(tx: &mut Tx, actor: &Actor, user: UserId) -> Result<(), Error> {
    Ok(store::activity::insert(tx, user, Some(actor.user_id), "profile.read", &json!({})).await?)
}

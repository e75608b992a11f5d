//! Other people's accounts: listed, read, disabled, enabled.

use std::collections::HashMap;

use stoa_audit::TxExt as _;
use stoa_kernel::{Page, PageRequest, Principal, UserId, codes};

use crate::{
    ctx::Ctx,
    error::Result,
    ops::{
        origin::Origin,
        roles::{keep_an_admin, must_hold},
        sessions::end_all,
    },
    store::{
        accounts::{self, Account, Filter},
        roles,
    },
};

/// An account and its roles.
pub(crate) type WithRoles = (Account, Vec<String>);

/// A page of accounts. Whose they are is written down before they are shown.
pub(crate) async fn list(
    ctx: &Ctx,
    by: UserId,
    filter: &Filter,
    page: &PageRequest,
    origin: &Origin,
) -> Result<Page<WithRoles>> {
    let found = accounts::list(&ctx.db, filter, page).await?;
    let ids: Vec<UserId> = found.items.iter().map(|account| account.id).collect();
    let mut by_account: HashMap<UserId, Vec<String>> = HashMap::new();
    for (user, role) in roles::of_accounts(&ctx.db, &ids).await? {
        by_account.entry(user).or_default().push(role);
    }
    let others: Vec<UserId> = ids.into_iter().filter(|id| *id != by).collect();
    if !others.is_empty() {
        let entry = origin.entry(Some(by), "account.list", "account", None);
        let mut tx = ctx.db.begin().await?;
        tx.audit(&entry.detail(serde_json::json!({ "user_ids": others })))
            .await?;
        tx.commit().await?;
    }
    let with_roles = |account: Account| {
        let roles = by_account.remove(&account.id).unwrap_or_default();
        (account, roles)
    };
    Ok(found.map(with_roles))
}

/// One account. That somebody else looked at it is written down first.
pub(crate) async fn read(ctx: &Ctx, by: UserId, user: UserId, origin: &Origin) -> Result<WithRoles> {
    let account = accounts::by_id(&ctx.db, user).await?.ok_or(codes::NOT_FOUND)?;
    let access = roles::access_of(&ctx.db, user).await?;
    if user != by {
        let mut tx = ctx.db.begin().await?;
        tx.audit(&origin.entry(Some(by), "account.read", "account", Some(user.uuid())))
            .await?;
        tx.commit().await?;
    }
    Ok((account, access.roles))
}

/// Somebody signs in no more, and what they signed in with ends; but not the last administrator. Nothing happens if it was so.
pub(crate) async fn disable(ctx: &Ctx, by: &Principal, user: UserId, origin: &Origin) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let access = roles::access_in(&mut tx, user).await?.ok_or(codes::NOT_FOUND)?;
    must_hold(by, &access.permissions)?;
    keep_an_admin(&mut tx, user).await?;
    if !accounts::disable(&mut tx, user).await? {
        tx.rollback().await;
        return Ok(());
    }
    tx.audit(&origin.entry(Some(by.user_id), "account.disable", "account", Some(user.uuid())))
        .await?;
    let ending = end_all(&mut tx, user, None, Some(by.user_id), origin).await?;
    ending.commit(ctx, tx).await
}

/// Somebody may sign in again. Nothing happens if they may.
pub(crate) async fn enable(ctx: &Ctx, by: &Principal, user: UserId, origin: &Origin) -> Result<()> {
    let mut tx = ctx.db.begin().await?;
    let access = roles::access_in(&mut tx, user).await?.ok_or(codes::NOT_FOUND)?;
    must_hold(by, &access.permissions)?;
    if !accounts::enable(&mut tx, user).await? {
        tx.rollback().await;
        return Ok(());
    }
    tx.audit(&origin.entry(Some(by.user_id), "account.enable", "account", Some(user.uuid())))
        .await?;
    Ok(tx.commit().await?)
}

//! Showing that an address is one's own.

use stoa_audit::TxExt as _;

use crate::{
    ctx::Ctx,
    error::{LINK_INVALID, Result},
    ops::origin::Origin,
    store::{
        accounts,
        mail_tokens::{self, Purpose},
    },
    tokens::hash_of,
};

/// Uses the link of a mail up.
pub(crate) async fn verify(ctx: &Ctx, token: &str, origin: &Origin) -> Result<()> {
    let link = hash_of(token);
    let user = mail_tokens::owner(&ctx.db, &link, Purpose::Verify)
        .await?
        .ok_or(LINK_INVALID)?;
    let mut tx = ctx.db.begin().await?;
    accounts::hold(&mut tx, user).await?;
    if mail_tokens::take(&mut tx, &link, Purpose::Verify).await? != Some(user) {
        tx.rollback().await;
        return Err(LINK_INVALID.into());
    }
    if accounts::set_verified(&mut tx, user).await? {
        tx.audit(&origin.entry(Some(user), "email.verify", "account", Some(user.uuid())))
            .await?;
    }
    mail_tokens::remove_all(&mut tx, user, Purpose::Verify).await?;
    tx.commit().await?;
    Ok(())
}

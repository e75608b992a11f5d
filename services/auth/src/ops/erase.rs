//! An account is forgotten.

use stoa_audit::TxExt as _;
use stoa_auth_api::events::UserErased;
use stoa_events::TxExt as _;
use stoa_kernel::UserId;

use crate::{
    ctx::Ctx,
    error::Result,
    jobs::{ForgetMails, recipient},
    ops::{origin::Origin, prove_again::prove_again, roles::keep_an_admin, sessions::end_all},
    password::Password,
    store::accounts,
};

/// Erases the account of somebody who proves again who they are; but not the last administrator's. What stays is the id: in the
/// audit log, and, while access tokens live, in what was revoked. The other services erase what they hold on `user.erased`.
pub(crate) async fn erase(
    ctx: &Ctx,
    user: UserId,
    password: &Password,
    code: Option<&str>,
    origin: &Origin,
) -> Result<()> {
    let proven = prove_again(ctx, user, password, code, "totp", origin).await?;
    let mut tx = ctx.db.begin().await?;
    keep_an_admin(&mut tx, user).await?;
    proven.hold(&mut tx).await?;
    let ending = end_all(&mut tx, user, None, Some(user), origin).await?;
    accounts::remove(&mut tx, user).await?;
    tx.shred();
    tx.enqueue(&ForgetMails {
        recipient: recipient(&proven.account.email),
    })
    .await?;
    tx.audit(&origin.entry(Some(user), "account.erase", "account", Some(user.uuid())))
        .await?;
    tx.emit(&UserErased { user_id: user }).await?;
    ending.commit(ctx, tx).await
}

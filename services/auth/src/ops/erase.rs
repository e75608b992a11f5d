//! An account is forgotten.

use stoa_audit::TxExt as _;
use stoa_auth_api::events::UserErased;
use stoa_events::TxExt as _;
use stoa_kernel::Actor;

use crate::{
    ctx::Ctx,
    error::Result,
    ops::{
        changes::Changes, organizations::members::prepare_to_leave, origin::Origin, prove_again::prove_again,
        roles::keep_an_admin, sessions::end_all,
    },
    password::Password,
    store::{accounts, invitations},
};

/// Erases the account of somebody who proves again who they are; but not the last administrator's, nor that of the last owner of an
/// organization with other members. What stays is the id: in the audit log, and, while access tokens live, in what was revoked. The other services erase what they hold on `user.erased`.
pub(crate) async fn erase(ctx: &Ctx, actor: &Actor, password: &Password, code: Option<&str>) -> Result<()> {
    let (user, origin) = (actor.user_id, &Origin::of(&actor.request));
    let proven = prove_again(ctx, user, password, code, "totp", origin).await?;
    let mut tx = ctx.db.begin().await?;
    keep_an_admin(&mut tx, user).await?;
    let mut changes = Changes::default();
    let leaving = prepare_to_leave(&mut tx, user).await?;
    proven.hold(&mut tx).await?;
    leaving.leave(&mut tx, actor, &mut changes).await?;
    let ending = end_all(&mut tx, user, None, Some(user), origin).await?;
    // An address that was never shown to be theirs may be somebody else's, whose invitations stay.
    if proven.account.email_verified_at.is_some() {
        invitations::remove_to(&mut tx, &proven.account.email_key).await?;
    }
    accounts::remove(&mut tx, user).await?;
    tx.shred();
    tx.audit(&origin.entry(Some(user), "account.erase", "account", Some(user.uuid())))
        .await?;
    tx.emit(&UserErased { user_id: user }).await?;
    let then = ctx.clone();
    ending
        .commit_then(ctx, tx, async move { changes.apply(&then).await })
        .await
}

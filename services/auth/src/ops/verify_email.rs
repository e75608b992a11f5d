//! Showing that an address is one's own.

use stoa_audit::TxExt as _;
use stoa_kernel::{UserId, codes};

use crate::{
    ctx::Ctx,
    error::{Error, LINK_INVALID, Result},
    ops::{origin::Origin, prove_again::prove_password},
    password::Password,
    store::{
        accounts::{self, Account},
        mail_tokens::{self, Purpose},
    },
    tokens::hash_of,
};

/// What shows, beside the link of the mail, that an account is the caller's.
#[derive(Clone, Copy)]
pub(crate) struct Proof<'a> {
    /// Whose session the request comes with, if with any.
    pub(crate) signed_in: Option<UserId>,
    /// The password of the account. A session of it makes it needless.
    pub(crate) password: Option<&'a Password>,
}

/// The account whose address the link of a mail verifies.
pub(crate) async fn account_of(ctx: &Ctx, token: &str) -> Result<Account> {
    let user = mail_tokens::owner(&ctx.db, &hash_of(token), Purpose::Verify).await?;
    let account = accounts::by_id(&ctx.db, user.ok_or(LINK_INVALID)?).await?;
    Ok(account.ok_or(LINK_INVALID)?)
}

/// Uses the link of a mail up.
///
/// The link alone shows that somebody reads the mailbox, but not that they made the account: somebody else may have registered an
/// address that is not theirs, and would hold an account with a verified address. So the caller also has a session of the account, or
/// knows its password.
pub(crate) async fn verify(ctx: &Ctx, token: &str, proof: Proof<'_>, origin: &Origin) -> Result<()> {
    let (link, account) = (hash_of(token), account_of(ctx, token).await?);
    let user = account.id;
    let by_session = proof.signed_in == Some(user);
    if !by_session {
        check_password(ctx, &account, proof.password, origin).await?;
    }
    let mut tx = ctx.db.begin().await?;
    accounts::hold(&mut tx, user).await?;
    if mail_tokens::take(&mut tx, &link, Purpose::Verify).await? != Some(user) {
        tx.rollback().await;
        return Err(LINK_INVALID.into());
    }
    if !by_session && !accounts::confirm_password(&mut tx, user, &account.password_hash).await? {
        tx.rollback().await;
        return Err(codes::CONFLICT.into());
    }
    mail_tokens::remove_all(&mut tx, user, Purpose::Verify).await?;
    if accounts::set_verified(&mut tx, user).await? {
        tx.audit(&origin.entry(Some(user), "email.verify", "account", Some(user.uuid())))
            .await?;
    }
    Ok(tx.commit().await?)
}

async fn check_password(
    ctx: &Ctx,
    account: &Account,
    password: Option<&Password>,
    origin: &Origin,
) -> Result<()> {
    let password = password.ok_or_else(|| {
        let message = "Sign in first, or send the password of the account along".to_owned();
        Error::Field("password", "required", message)
    })?;
    let source = origin.source(ctx, &account.email_key).await?;
    let guess = prove_password(ctx, account, password, "password", &source, origin).await?;
    guess.succeed().await;
    Ok(())
}

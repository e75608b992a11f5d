//! Somebody who is signed in proves again who they are, before something that a stolen session must not do.

use stoa_audit::TxExt as _;
use stoa_db::Tx;
use stoa_kernel::{UserId, codes};

use crate::{
    ctx::Ctx,
    error::{Error, Result, TOTP_REQUIRED},
    lockout::{Attempt, Source},
    ops::{
        guesses,
        origin::Origin,
        totp::{self, TotpResult},
    },
    password::Password,
    store::accounts::{self, Account},
};

/// Somebody who has proven again who they are.
pub(crate) struct ProvenAgain {
    pub(crate) account: Account,
    code: Option<totp::Proof>,
    field: &'static str,
}

impl ProvenAgain {
    /// Holds fast what was proven until the end of the transaction, and uses the code up.
    pub(crate) async fn hold(&self, tx: &mut Tx) -> Result<()> {
        if !accounts::confirm_password(tx, self.account.id, &self.account.password_hash).await? {
            return Err(codes::CONFLICT.into());
        }
        match &self.code {
            Some(code) if !totp::consume(tx, code).await? => Err(totp::wrong(self.field)),
            _ => Ok(()),
        }
    }
}

/// Checks the password, and the code if the account has a second factor. Failures are bounded for the account, wherever they come
/// from. A wrong code is told of `field`.
pub(crate) async fn prove_again(
    ctx: &Ctx,
    user: UserId,
    password: &Password,
    code: Option<&str>,
    field: &'static str,
    origin: &Origin,
) -> Result<ProvenAgain> {
    let account = accounts::by_id(&ctx.db, user)
        .await?
        .ok_or(codes::UNAUTHENTICATED)?;
    let source = origin.source(ctx, &account.email_key).await?;
    let guess = prove_password(ctx, &account, password, "password", &source, origin).await?;
    let code = match totp::check(ctx, user, code, &source).await {
        Ok(TotpResult::NotEnrolled) => None,
        Ok(TotpResult::Accepted(proof)) => Some(proof),
        Ok(TotpResult::Missing) => {
            guess.release().await;
            let message = TOTP_REQUIRED.title.to_owned();
            return Err(Error::Field(field, TOTP_REQUIRED.code, message));
        }
        Ok(TotpResult::Wrong) => {
            guesses::wrong(ctx, user, &source, guess).await?;
            note(ctx, user, "totp", origin).await?;
            return Err(totp::wrong(field));
        }
        Err(error) => {
            guess.release().await;
            return Err(error);
        }
    };
    guess.succeed().await;
    Ok(ProvenAgain { account, code, field })
}

/// Checks the password of somebody who is signed in, perhaps with a session that was stolen. A wrong one is told of `field`. The
/// caller says how the attempt ended.
pub(crate) async fn prove_password<'a>(
    ctx: &'a Ctx,
    account: &Account,
    password: &Password,
    field: &'static str,
    source: &Source<'_>,
    origin: &Origin,
) -> Result<Attempt<'a>> {
    let guess = guesses::of_password(ctx, account.id, source).await?;
    let kept = Some(account.password_hash.as_str());
    match ctx.passwords.verify(password, kept, origin.address).await {
        Ok(verified) if verified.right => Ok(guess),
        Ok(_) => {
            guesses::wrong(ctx, account.id, source, guess).await?;
            note(ctx, account.id, "password", origin).await?;
            let message = "The password is wrong".to_owned();
            Err(Error::Field(field, "wrong_password", message))
        }
        Err(error) => {
            guess.release().await;
            Err(error)
        }
    }
}

async fn note(ctx: &Ctx, user: UserId, wrong: &str, origin: &Origin) -> Result<()> {
    let entry = origin.entry(Some(user), "account.prove_failed", "account", Some(user.uuid()));
    let mut tx = ctx.db.begin().await?;
    tx.audit(&entry.detail(serde_json::json!({ "wrong": wrong })))
        .await?;
    Ok(tx.commit().await?)
}

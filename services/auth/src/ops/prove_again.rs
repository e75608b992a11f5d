//! Somebody who is signed in proves again who they are, before something that a stolen session must not do.

use stoa_audit::TxExt as _;
use stoa_db::Tx;
use stoa_http::codes;
use stoa_kernel::UserId;

use crate::{
    ctx::Ctx,
    error::{Error, Result, TOTP_REQUIRED},
    ops::{
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

/// Checks the password, and the code if the account has a second factor. Failures count as those of a sign-in do, and a wrong
/// code is told of `field`.
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
    // Whoever holds a session may not guess on without end either; their network counts as known.
    let attempt = ctx
        .lockout
        .attempt(origin.address, &account.email_key, true)
        .await?;
    let outcome = async {
        let verified = ctx
            .passwords
            .verify(password, Some(&account.password_hash))
            .await?;
        if !verified.right {
            return Ok(None);
        }
        totp::check(ctx, user, code).await.map(Some)
    };
    let code = match outcome.await {
        Ok(Some(TotpResult::NotEnrolled)) => None,
        Ok(Some(TotpResult::Accepted(proof))) => Some(proof),
        Ok(Some(TotpResult::Missing)) => {
            attempt.release().await;
            let message = TOTP_REQUIRED.title.to_owned();
            return Err(Error::Field(field, TOTP_REQUIRED.code, message));
        }
        Ok(Some(TotpResult::Wrong)) => {
            attempt.wrong_code().await;
            note(ctx, user, "totp", origin).await?;
            return Err(totp::wrong(field));
        }
        Ok(None) => {
            drop(attempt);
            note(ctx, user, "password", origin).await?;
            let message = "This is not the current password".to_owned();
            return Err(Error::Field("password", "wrong_password", message));
        }
        Err(error) => {
            attempt.release().await;
            return Err(error);
        }
    };
    attempt.succeed().await;
    Ok(ProvenAgain { account, code, field })
}

async fn note(ctx: &Ctx, user: UserId, wrong: &str, origin: &Origin) -> Result<()> {
    let entry = origin.entry(Some(user), "account.prove_failed", "account", Some(user.uuid()));
    let mut tx = ctx.db.begin().await?;
    tx.audit(&entry.detail(serde_json::json!({ "wrong": wrong })))
        .await?;
    Ok(tx.commit().await?)
}

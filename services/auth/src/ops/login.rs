//! Signing in.

use stoa_audit::TxExt as _;
use stoa_kernel::UserId;

use crate::{
    ctx::Ctx,
    email::Email,
    error::{EMAIL_NOT_VERIFIED, INVALID_CREDENTIALS, Result, TOTP_REQUIRED, TOTP_WRONG},
    ops::{
        origin::Origin,
        sessions::{Mode, Opening, SignedIn},
        totp::{self, TotpResult},
    },
    password::Password,
    store::{
        accounts::{self, Account},
        known_networks,
    },
};

/// Who signs in.
pub(crate) struct Credentials {
    pub(crate) email: String,
    pub(crate) password: Password,
    pub(crate) totp: Option<String>,
}

/// Signs in. An address without an account takes the same way to the same refusal as a wrong password: the same look-ups, one
/// verification of a hash, one audit entry.
pub(crate) async fn login(ctx: &Ctx, who: Credentials, mode: Mode, origin: &Origin) -> Result<SignedIn> {
    let key = Email::key_of(&who.email);
    let network = known_networks::fingerprint(&key, origin.address);
    let account = accounts::by_email_key(&ctx.db, &key).await?;
    let known = known_networks::is_known(&ctx.db, &network).await?;
    let attempt = ctx.lockout.attempt(origin.address, &key, known)?;

    let kept = account.as_ref().map(|account| account.password_hash.as_str());
    let verified = match ctx.passwords.verify(&who.password, kept).await {
        Ok(verified) => verified,
        Err(error) => {
            attempt.release();
            return Err(error);
        }
    };
    let Some(account) = account.filter(|_| verified.right) else {
        return refuse(ctx, origin, None, "password", INVALID_CREDENTIALS).await;
    };
    let proof = match totp::check(ctx, account.id, who.totp.as_deref()).await? {
        TotpResult::NotEnrolled => None,
        TotpResult::Accepted(proof) => Some(proof),
        TotpResult::Missing => {
            attempt.release();
            return Err(TOTP_REQUIRED.into());
        }
        TotpResult::Wrong => {
            attempt.wrong_code();
            return refuse(ctx, origin, Some(account.id), "totp", TOTP_WRONG).await;
        }
    };
    if ctx.config.require_verified_email && account.email_verified_at.is_none() {
        attempt.release();
        return Err(EMAIL_NOT_VERIFIED.into());
    }
    let upgraded = if verified.outdated {
        ctx.passwords.hash(&who.password).await.ok()
    } else {
        None
    };

    let opening = Opening::new(ctx, mode);
    let mut tx = ctx.db.begin().await?;
    if let Some(proof) = &proof
        && !totp::consume(&mut tx, proof).await?
    {
        tx.rollback().await;
        attempt.wrong_code();
        return refuse(ctx, origin, Some(account.id), "totp", TOTP_WRONG).await;
    }
    if !keep(&mut tx, &account, upgraded.as_deref(), origin).await? {
        tx.rollback().await;
        return refuse(ctx, origin, None, "password", INVALID_CREDENTIALS).await;
    }
    opening.begin(&mut tx, account.id, origin).await?;
    known_networks::remember(&mut tx, account.id, &network).await?;
    tx.commit().await?;
    attempt.succeed();
    metrics::counter!("stoa_auth_logins_total", "outcome" => "ok").increment(1);
    opening.finish(ctx, account).await
}

/// Holds the password that was verified fast, or puts its upgraded hash in its place; false if it was changed meanwhile.
async fn keep(
    tx: &mut stoa_db::Tx,
    account: &Account,
    upgraded: Option<&str>,
    origin: &Origin,
) -> Result<bool> {
    let Account {
        id, password_hash, ..
    } = account;
    let Some(upgraded) = upgraded else {
        return Ok(accounts::confirm_password(tx, *id, password_hash).await?);
    };
    if !accounts::replace_password(tx, *id, password_hash, upgraded).await? {
        return Ok(false);
    }
    tx.audit(&origin.entry(Some(*id), "password.upgrade", "account", Some(id.uuid())))
        .await?;
    Ok(true)
}

/// Writes a failed sign-in down. How often is bounded by the limits on attempts. An address is not written: it may be a password
/// that was typed in the wrong field.
async fn refuse<T>(
    ctx: &Ctx,
    origin: &Origin,
    account: Option<UserId>,
    wrong: &'static str,
    code: stoa_http::Code,
) -> Result<T> {
    metrics::counter!("stoa_auth_logins_total", "outcome" => wrong).increment(1);
    let entry = origin
        .entry(
            None,
            "session.create_failed",
            "account",
            account.map(UserId::uuid),
        )
        .detail(serde_json::json!({ "wrong": wrong }));
    let mut tx = ctx.db.begin().await?;
    tx.audit(&entry).await?;
    tx.commit().await?;
    Err(code.into())
}

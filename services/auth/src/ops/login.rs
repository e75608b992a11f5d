//! Signing in.

use stoa_audit::TxExt as _;
use stoa_db::Tx;
use stoa_kernel::UserId;

use crate::{
    ctx::Ctx,
    email::Email,
    error::{EMAIL_NOT_VERIFIED, Error, INVALID_CREDENTIALS, Result, TOTP_REQUIRED, TOTP_WRONG},
    lockout::Source,
    ops::{
        origin::Origin,
        sessions::{Ending, Mode, Opening, SignedIn},
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
    let account = accounts::by_email_key(&ctx.db, &key).await?;
    let account = account.filter(|account| account.disabled_at.is_none());
    let source = origin.source(ctx, &key).await?;
    // Should the caller hang up before the session is committed, the attempt is dropped, and so has failed.
    let attempt = ctx.lockout.sign_in(&source).await?;
    let outcome = async {
        let proven = prove(ctx, account, &who, &source, origin).await?;
        open(ctx, proven, mode, origin).await
    };
    let opened = match outcome.await {
        Ok(opened) => opened,
        Err(error) => {
            match &error {
                Error::Refused(INVALID_CREDENTIALS | TOTP_WRONG) => drop(attempt),
                _ => attempt.release().await,
            }
            return Err(error);
        }
    };
    opened
        .ending
        .commit_then(ctx, opened.tx, attempt.succeed())
        .await?;
    metrics::counter!("stoa_auth_logins_total", "outcome" => "ok").increment(1);
    opened.opening.finish(ctx, opened.account).await
}

/// A session that is not committed yet.
struct Opened {
    tx: Tx,
    ending: Ending,
    opening: Opening,
    account: Account,
}

/// Somebody who has proven who they are.
struct Proven {
    account: Account,
    /// The code of the second factor, to be used up.
    code: Option<totp::Proof>,
    /// The password hashed as new ones are, if the kept hash was not.
    upgraded: Option<String>,
}

/// Checks password, second factor and address, in this order: what follows the password is told only to those who know it.
async fn prove(
    ctx: &Ctx,
    account: Option<Account>,
    who: &Credentials,
    source: &Source<'_>,
    origin: &Origin,
) -> Result<Proven> {
    let kept = account.as_ref().map(|account| account.password_hash.as_str());
    let verified = ctx.passwords.verify(&who.password, kept, origin.address).await?;
    let Some(account) = account.filter(|_| verified.right) else {
        return refuse(ctx, origin, None, "password", INVALID_CREDENTIALS).await;
    };
    let code = match totp::check(ctx, account.id, who.totp.as_deref(), source).await? {
        TotpResult::NotEnrolled => None,
        TotpResult::Accepted(proof) => Some(proof),
        TotpResult::Missing => return Err(TOTP_REQUIRED.into()),
        TotpResult::Wrong => return refuse(ctx, origin, Some(account.id), "totp", TOTP_WRONG).await,
    };
    if ctx.config.require_verified_email && account.email_verified_at.is_none() {
        return Err(EMAIL_NOT_VERIFIED.into());
    }
    // Another time will do, should there be no room for it now.
    let upgraded = if verified.outdated {
        ctx.passwords.hash(&who.password, Some(origin.address)).await.ok()
    } else {
        None
    };
    Ok(Proven {
        account,
        code,
        upgraded,
    })
}

/// Opens the session, with everything that goes with it in one transaction.
async fn open(ctx: &Ctx, proven: Proven, mode: Mode, origin: &Origin) -> Result<Opened> {
    let Proven {
        account,
        code,
        upgraded,
    } = proven;
    let opening = Opening::new(ctx, mode);
    let mut tx = ctx.db.begin().await?;
    if !keep(&mut tx, &account, upgraded.as_deref(), origin).await? {
        tx.rollback().await;
        return refuse(ctx, origin, None, "password", INVALID_CREDENTIALS).await;
    }
    if let Some(code) = &code
        && !totp::consume(&mut tx, code).await?
    {
        tx.rollback().await;
        return refuse(ctx, origin, Some(account.id), "totp", TOTP_WRONG).await;
    }
    let ending = opening.begin(ctx, &mut tx, account.id, origin).await?;
    known_networks::remember(&mut tx, account.id, &account.email_key, origin.address).await?;
    Ok(Opened {
        tx,
        ending,
        opening,
        account,
    })
}

/// Holds the password that was verified fast, or puts its upgraded hash in its place; false if it was changed meanwhile.
async fn keep(tx: &mut Tx, account: &Account, upgraded: Option<&str>, origin: &Origin) -> Result<bool> {
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
    code: stoa_kernel::Code,
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use stoa_db::Engine;
    use stoa_testkit::TestApp;

    use super::*;
    use crate::ops::register::{NewAccount, register};

    async fn started() -> (TestApp, Ctx) {
        let (made, handed) = mpsc::channel();
        let mut config: crate::AuthConfig = stoa_testkit::settings("auth");
        config.password.memory_kib = 64;
        let app = TestApp::builder().service(&crate::SERVICE, move |env| {
            let ctx = Ctx::new(env, config).unwrap();
            made.send(ctx.clone()).unwrap();
            crate::assemble(&ctx)
        });
        (app.start(Engine::Sqlite).await, handed.recv().unwrap())
    }

    /// Refusals take the same time because they do the same: this counts what costs time.
    #[tokio::test]
    async fn an_address_without_an_account_costs_what_a_wrong_password_costs() {
        let (app, ctx) = started().await;
        let origin = Origin {
            address: [192, 0, 2, 1].into(),
            from: "192.0.2.1".to_owned(),
            user_agent: None,
            request_id: "1".to_owned(),
        };
        let new = NewAccount {
            email: Email::parse("ada@example.org").unwrap(),
            password: Password::new("tin roof rusted"),
            first_name: None,
            last_name: None,
            is_invited: false,
        };
        register(&ctx, new, Mode::Bearer, &origin).await.ok().unwrap();

        let written = async || {
            let filter = stoa_audit::Filter {
                limit: 100,
                ..Default::default()
            };
            stoa_audit::list(&ctx.db, &filter).await.unwrap().len()
        };
        let mut costs = Vec::new();
        for email in ["ada@example.org", "bob@example.org", "no address", ""] {
            let (hashes, entries) = (ctx.passwords.asked(), written().await);
            let who = Credentials {
                email: email.to_owned(),
                password: Password::new("wrong"),
                totp: None,
            };
            let refused = login(&ctx, who, Mode::Bearer, &origin).await.err().unwrap();
            assert!(
                matches!(refused, Error::Refused(INVALID_CREDENTIALS)),
                "{refused}"
            );
            costs.push((ctx.passwords.asked() - hashes, written().await - entries));
        }
        assert_eq!(costs, [(1, 1); 4], "hashes and audit entries of each");
        app.stop().await;
    }
}

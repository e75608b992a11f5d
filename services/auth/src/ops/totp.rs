//! The second factor: checked at sign-in, set up, taken away.

use jiff::SignedDuration;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::{UserId, random};

use crate::{
    ctx::Ctx,
    error::{Error, Result, TOTP_ENABLED, TOTP_NOT_ENABLED, TOTP_WRONG},
    lockout::Source,
    notifications::MailKind,
    ops::{
        guesses,
        notices::Notices,
        origin::Origin,
        prove_again::{ProvenAgain, prove_again},
    },
    password::Password,
    second_factor::{self, SECRET},
    store::{
        accounts,
        totp::{self as store, Factor},
    },
};

/// How long after the password was proven a second factor can be confirmed.
const SETTING_UP: SignedDuration = SignedDuration::from_mins(15);

/// What is learnt of a code.
pub(crate) enum TotpResult {
    /// The account has no second factor.
    NotEnrolled,
    /// The code is right; to be consumed in the transaction that hangs on it.
    Accepted(Proof),
    /// A code is needed.
    Missing,
    /// The code is not right, or was used before.
    Wrong,
}

/// Which code was right.
pub(crate) struct Proof {
    user: UserId,
    code: Code,
}

enum Code {
    /// Of an authenticator app: the sealed secret and the time step.
    App(Vec<u8>, i64),
    /// A recovery code, hashed.
    Recovery([u8; 32]),
}

/// Checks a code of the authenticator app, or a recovery code. Called after the right password only. A wrong one counts against
/// the account, wherever it comes from.
pub(crate) async fn check(
    ctx: &Ctx,
    user: UserId,
    code: Option<&str>,
    source: &Source<'_>,
) -> Result<TotpResult> {
    let factor = store::find(&ctx.db, user).await?;
    let Some(factor) = factor.filter(|factor| factor.confirmed_at.is_some()) else {
        return Ok(TotpResult::NotEnrolled);
    };
    let plain = second_factor::plain(code.unwrap_or_default());
    if plain.is_empty() {
        return Ok(TotpResult::Missing);
    }
    let guess = guesses::of_code(ctx, user, source).await?;
    match right(ctx, user, factor, &plain).await {
        Ok(Some(code)) => {
            guess.succeed().await;
            Ok(TotpResult::Accepted(Proof { user, code }))
        }
        Ok(None) => {
            guesses::wrong(ctx, user, source, guess).await?;
            Ok(TotpResult::Wrong)
        }
        Err(error) => {
            guess.release().await;
            Err(error)
        }
    }
}

/// Which code it is, if it is right.
async fn right(ctx: &Ctx, user: UserId, factor: Factor, plain: &str) -> Result<Option<Code>> {
    if second_factor::is_six_digits(plain) {
        let step = step_of(ctx, user, &factor, plain)?;
        return Ok(step.map(|step| Code::App(factor.secret, step)));
    }
    let hash = second_factor::recovery_hash(user, plain);
    let good = store::is_recovery_code(&ctx.db, user, &hash).await?;
    Ok(good.then_some(Code::Recovery(hash)))
}

/// The time step of a code, if it is right and was not used.
fn step_of(ctx: &Ctx, user: UserId, factor: &Factor, code: &str) -> Result<Option<i64>> {
    let secret = ctx.secrets.open(&place(user), &factor.secret)?;
    let step = second_factor::step_of(code, &secret, ctx.clock.now());
    Ok(step.filter(|step| *step > factor.last_step))
}

/// What a secret is sealed for: so that no row's secret is good in another's.
fn place(user: UserId) -> String {
    format!("totp:{user}")
}

/// Uses the code up; false if it was used before. Of two at once one wins.
pub(crate) async fn consume(tx: &mut Tx, proof: &Proof) -> Result<bool> {
    let user = proof.user;
    match &proof.code {
        Code::App(secret, step) => Ok(store::use_step(tx, user, secret, *step).await?),
        Code::Recovery(hash) => {
            if !store::burn(tx, user, hash).await? {
                return Ok(false);
            }
            tx.audit(&Entry::new(
                Some(user),
                "recovery_code.use",
                "account",
                Some(user.uuid()),
            ))
            .await?;
            Ok(true)
        }
    }
}

/// Whether a second factor is asked for, and how many recovery codes are left.
pub(crate) async fn state(ctx: &Ctx, user: UserId) -> Result<(bool, i64)> {
    let enabled = is_enabled(ctx, user).await?;
    Ok((enabled, store::recovery_codes_left(&ctx.db, user).await?))
}

async fn is_enabled(ctx: &Ctx, user: UserId) -> Result<bool> {
    let factor = store::find(&ctx.db, user).await?;
    Ok(factor.is_some_and(|factor| factor.confirmed_at.is_some()))
}

/// What an authenticator app is set up with.
pub(crate) struct Setup {
    /// In base 32.
    pub(crate) secret: String,
    pub(crate) otpauth_url: String,
}

/// Begins to set a second factor up. Nobody is asked for it before [`confirm`].
pub(crate) async fn begin(ctx: &Ctx, user: UserId, password: &Password, origin: &Origin) -> Result<Setup> {
    if is_enabled(ctx, user).await? {
        return Err(TOTP_ENABLED.into());
    }
    let proven = prove_again(ctx, user, password, None, "code", origin).await?;
    let secret = random::bytes::<SECRET>();
    let sealed = ctx.secrets.seal(&place(user), &secret)?;
    let (secret, otpauth_url) = second_factor::setup(secret, &ctx.product_name, &proven.account.email)?;

    let mut tx = ctx.db.begin().await?;
    proven.hold(&mut tx).await?;
    if !store::begin(&mut tx, user, &sealed).await? {
        return Err(TOTP_ENABLED.into());
    }
    tx.audit(&origin.entry(Some(user), "totp.begin", "account", Some(user.uuid())))
        .await?;
    tx.commit().await?;
    Ok(Setup { secret, otpauth_url })
}

/// Shows that the authenticator app works. From now on its code is asked for. Returns the recovery codes.
pub(crate) async fn confirm(ctx: &Ctx, user: UserId, code: &str, origin: &Origin) -> Result<Vec<String>> {
    let factor = store::find(&ctx.db, user).await?.ok_or(TOTP_NOT_ENABLED)?;
    if factor.confirmed_at.is_some() {
        return Err(TOTP_ENABLED.into());
    }
    if ctx.clock.now().duration_since(factor.created_at) > SETTING_UP {
        return Err(TOTP_NOT_ENABLED.into());
    }
    let account = accounts::by_id(&ctx.db, user).await?.ok_or(TOTP_NOT_ENABLED)?;
    let source = origin.source(ctx, &account.email_key).await?;
    let guess = guesses::of_code(ctx, user, &source).await?;
    let step = step_of(ctx, user, &factor, &second_factor::plain(code));
    let Some(step) = step? else {
        guesses::wrong(ctx, user, &source, guess).await?;
        return Err(wrong("code"));
    };
    // It says nothing of other codes: so nothing is forgiven.
    guess.release().await;

    let (codes, hashes) = new_codes(user);
    let notices = Notices::to(ctx, &account).await;
    let mut tx = ctx.db.begin().await?;
    accounts::hold(&mut tx, user).await?;
    if !store::confirm(&mut tx, user, &factor.secret, step).await? {
        return Err(TOTP_ENABLED.into());
    }
    store::set_recovery_codes(&mut tx, user, &hashes).await?;
    tx.audit(&origin.entry(Some(user), "totp.enable", "account", Some(user.uuid())))
        .await?;
    notices.tell(&mut tx, MailKind::TotpEnabled).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Takes the second factor away.
pub(crate) async fn remove(
    ctx: &Ctx,
    user: UserId,
    password: &Password,
    code: &str,
    origin: &Origin,
) -> Result<()> {
    let (mut tx, notices) = begin_with_code(ctx, user, password, code, origin).await?;
    store::remove(&mut tx, user).await?;
    tx.audit(&origin.entry(Some(user), "totp.disable", "account", Some(user.uuid())))
        .await?;
    notices.tell(&mut tx, MailKind::TotpDisabled).await?;
    Ok(tx.commit().await?)
}

/// Gives new recovery codes; the old ones stop working.
pub(crate) async fn renew_codes(
    ctx: &Ctx,
    user: UserId,
    password: &Password,
    code: &str,
    origin: &Origin,
) -> Result<Vec<String>> {
    let (codes, hashes) = new_codes(user);
    let (mut tx, notices) = begin_with_code(ctx, user, password, code, origin).await?;
    store::set_recovery_codes(&mut tx, user, &hashes).await?;
    tx.audit(&origin.entry(Some(user), "recovery_code.renew", "account", Some(user.uuid())))
        .await?;
    notices.tell(&mut tx, MailKind::RecoveryCodesRenewed).await?;
    tx.commit().await?;
    Ok(codes)
}

/// A transaction of somebody who has proven again who they are, by password and code.
async fn begin_with_code(
    ctx: &Ctx,
    user: UserId,
    password: &Password,
    code: &str,
    origin: &Origin,
) -> Result<(Tx, Notices)> {
    if !is_enabled(ctx, user).await? {
        return Err(TOTP_NOT_ENABLED.into());
    }
    let proven: ProvenAgain = prove_again(ctx, user, password, Some(code), "code", origin).await?;
    let notices = Notices::to(ctx, &proven.account).await;
    let mut tx = ctx.db.begin().await?;
    proven.hold(&mut tx).await?;
    Ok((tx, notices))
}

fn new_codes(user: UserId) -> (Vec<String>, Vec<[u8; 32]>) {
    let codes = second_factor::recovery_codes();
    let hashes = codes
        .iter()
        .map(|code| second_factor::recovery_hash(user, &second_factor::plain(code)))
        .collect();
    (codes, hashes)
}

/// A code in a request's body was wrong. Whoever is signed in stays so.
pub(crate) fn wrong(field: &'static str) -> Error {
    Error::Field(field, TOTP_WRONG.code, TOTP_WRONG.title.to_owned())
}

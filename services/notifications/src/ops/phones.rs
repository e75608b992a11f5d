//! The phone number of a person: set, shown to be theirs by a code that is sent there, deleted.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::{JobError, TxExt as _};
use stoa_kernel::{Actor, Id, Timestamp, UserId, codes};
use stoa_notifications_api::Recipients;
use stoa_service::{Channel, NotificationType};
use stoa_sms::{Number, SendError, Sms};
use subtle::ConstantTimeEq;

use super::request::{self, Request};
use crate::{
    ctx::Ctx,
    error::Error,
    jobs::SendPhoneCode,
    phone,
    store::{
        people,
        phones::{self, CodeId, CodeRow, PhoneRow, state},
        suppressions,
    },
    types::{self, languages},
};

/// How long a code is good.
const CODE_LIFETIME: Duration = Duration::from_secs(600);
/// Wrong codes after which a code has expired.
const GUESSES: i64 = 5;

/// The number of a person, and the one that is to be shown to be theirs.
pub(crate) struct Phone {
    /// With the time at which it was verified.
    pub(crate) verified: Option<(String, Timestamp)>,
    pub(crate) pending: Option<Pending>,
}

/// A number whose code was not given yet.
pub(crate) struct Pending {
    pub(crate) number: String,
    /// How the code stands.
    pub(crate) state: String,
    pub(crate) expires_at: Timestamp,
}

/// What holds for a person.
pub(crate) async fn read(ctx: &Ctx, user: UserId) -> Result<Phone, Error> {
    let (row, code) = (
        phones::get(&ctx.db, user).await?,
        phones::code(&ctx.db, user).await?,
    );
    let now = ctx.clock.now();
    let verified = match row {
        Some(row) => Some((open(ctx, user, &row.sealed_number)?, row.verified_at)),
        None => None,
    };
    let pending = match code.filter(|code| code.expires_at > now && code.guesses < GUESSES) {
        Some(code) => Some(Pending {
            number: open(ctx, user, &code.sealed_number)?,
            state: code.state,
            expires_at: code.expires_at,
        }),
        None => None,
    };
    Ok(Phone { verified, pending })
}

/// The number in clear.
pub(crate) fn open(ctx: &Ctx, user: UserId, sealed: &[u8]) -> Result<String, Error> {
    let clear = ctx.secrets.open(&phone::place(user), sealed)?;
    Ok(String::from_utf8_lossy(&clear).into_owned())
}

/// The hash by which a number is known again.
pub(crate) fn hash(ctx: &Ctx, number: &str) -> Result<Vec<u8>, Error> {
    Ok(ctx.keyed.hash("sms", number)?)
}

/// Has a code sent to a number. The one that was verified before stays until the code is given. False if it is the verified one, to
/// which nothing is sent.
pub(crate) async fn set(ctx: &Ctx, actor: &Actor, number: &Number) -> Result<bool, Error> {
    if !ctx.sms.takes(number) {
        let message = "No messages are sent to numbers that begin so".to_owned();
        return Err(Error::Field("number", "not_served", message));
    }
    let (user, number) = (actor.user_id, number.as_str());
    let number_hash = hash(ctx, number)?;
    if phones::get(&ctx.db, user)
        .await?
        .is_some_and(|row| row.number_hash == number_hash)
    {
        return Ok(false);
    }
    ctx.codes.count(user, actor.request.address, &number_hash).await?;
    let id: CodeId = Id::new(&ctx.clock);
    let row = CodeRow {
        id,
        sealed_number: ctx.secrets.seal(&phone::place(user), number.as_bytes())?,
        number_hash,
        sealed_code: ctx
            .secrets
            .seal(&code_place(user, id), phone::new_code().as_bytes())?,
        guesses: 0,
        state: state::WAITING.to_owned(),
        expires_at: ctx.clock.after(CODE_LIFETIME),
    };
    let mut tx = ctx.db.begin().await?;
    people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    phones::set_code(&mut tx, user, &row).await?;
    tx.enqueue(&SendPhoneCode {
        user_id: user,
        code_id: id,
    })
    .await?;
    tx.audit(&entry(actor, "phone.set")).await?;
    tx.commit().await?;
    Ok(true)
}

/// Shows that the number is the person's own: text messages go there from now on.
pub(crate) async fn verify(ctx: &Ctx, actor: &Actor, given: &str) -> Result<(), Error> {
    let user = actor.user_id;
    let mut tx = ctx.db.begin().await?;
    let person = people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    let now = ctx.clock.now();
    if person.revoked_until.is_some_and(|until| now <= until) {
        return Err(codes::TOKEN_REVOKED.into());
    }
    let code = phones::find_code(&mut tx, user).await?;
    let code = code.filter(|code| code.expires_at > now && code.guesses < GUESSES);
    let code = code.ok_or(Error::NoPhoneCode)?;
    let right = ctx.secrets.open(&code_place(user, code.id), &code.sealed_code)?;
    if !bool::from(right.as_slice().ct_eq(given.as_bytes())) {
        phones::guessed(&mut tx, user).await?;
        tx.commit().await?;
        return Err(Error::Field("code", "wrong_code", "The code is wrong".to_owned()));
    }
    let number = phone::masked(&open(ctx, user, &code.sealed_number)?);
    let row = PhoneRow {
        sealed_number: code.sealed_number,
        number_hash: code.number_hash,
        verified_at: now,
    };
    phones::set(&mut tx, user, &row).await?;
    phones::delete_code(&mut tx, user).await?;
    people::set_phone(&mut tx, user, true).await?;
    // It has just taken a message.
    suppressions::delete(&mut tx, Channel::Sms, &row.number_hash).await?;
    tx.audit(&entry(actor, "phone.verify")).await?;
    warn(
        ctx,
        &mut tx,
        user,
        &types::PHONE_CHANGED,
        json!({ "number": number }),
    )
    .await?;
    Ok(tx.commit().await?)
}

/// No text messages go to the person from now on. Once more does nothing.
pub(crate) async fn delete(ctx: &Ctx, actor: &Actor) -> Result<(), Error> {
    let user = actor.user_id;
    let mut tx = ctx.db.begin().await?;
    people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    let (number, code) = (
        phones::delete(&mut tx, user).await?,
        phones::delete_code(&mut tx, user).await?,
    );
    if !number && !code {
        return Ok(());
    }
    people::set_phone(&mut tx, user, false).await?;
    tx.audit(&entry(actor, "phone.delete")).await?;
    if number {
        warn(
            ctx,
            &mut tx,
            user,
            &types::PHONE_REMOVED,
            json!({ "by_reset": false }),
        )
        .await?;
    }
    tx.shred();
    Ok(tx.commit().await?)
}

/// Deletes the number of a locked person if it was verified within this time, and one that waits for its code; whether there was either.
pub(crate) async fn revoke(
    ctx: &Ctx,
    tx: &mut Tx,
    user: UserId,
    (since, until): (Timestamp, Timestamp),
) -> Result<bool, Error> {
    let waited = phones::delete_code(tx, user).await?;
    let is_new = |row: &PhoneRow| (since..=until).contains(&row.verified_at);
    if !phones::find(tx, user).await?.is_some_and(|row| is_new(&row)) {
        return Ok(waited);
    }
    phones::delete(tx, user).await?;
    people::set_phone(tx, user, false).await?;
    warn(ctx, tx, user, &types::PHONE_REMOVED, json!({ "by_reset": true })).await?;
    Ok(true)
}

/// Says to the person what became of their number, with the same commit.
async fn warn(
    ctx: &Ctx,
    tx: &mut Tx,
    user: UserId,
    kind: &NotificationType,
    data: Value,
) -> Result<(), Error> {
    let request = Request {
        kind: kind.name.to_owned(),
        recipients: Recipients::Users(vec![user]),
        data,
        sender: format!("{}{}", request::SERVICE, crate::SERVICE.name),
        key: Id::<()>::new(&ctx.clock).to_string(),
        send_at: None,
    };
    let checked = request::check(ctx, request)?;
    request::accept(tx, &checked).await.map(drop)
}

fn entry<'a>(actor: &'a Actor, action: &'a str) -> Entry<'a> {
    Entry::by(actor, action, "account", Some(actor.user_id.uuid()))
}

/// What a code is sealed for.
fn code_place(user: UserId, id: CodeId) -> String {
    format!("phone_code:{user}:{id}")
}

/// What came of sending a code.
pub(crate) enum CodeSent {
    /// It stands so now; with the hash of the number that it went to.
    Now(&'static str, Vec<u8>),
    /// The provider asks to wait.
    Later(Timestamp),
}

/// Sends a code; none if nobody waits for it any more.
pub(crate) async fn send_code(ctx: &Ctx, user: UserId, id: CodeId) -> Result<Option<CodeSent>, JobError> {
    let code = phones::code(&ctx.db, user).await?;
    let waits =
        |code: &CodeRow| code.id == id && code.state == state::WAITING && code.expires_at > ctx.clock.now();
    let (Some(code), Some(person)) = (code.filter(waits), people::get(&ctx.db, user).await?) else {
        return Ok(None);
    };
    let number = open(ctx, user, &code.sealed_number)?;
    let clear = ctx.secrets.open(&code_place(user, id), &code.sealed_code);
    let clear = clear.map_err(Error::from)?;
    let sms = Sms {
        id: format!("phone-code-{id}"),
        text: text(ctx, &String::from_utf8_lossy(&clear), person.language.as_deref()),
        to: number,
    };
    let sent = match ctx.sms.send(&sms).await {
        Ok(_) => state::SENT,
        Err(SendError::Refused(_) | SendError::Gone(_) | SendError::Permanent(_)) => state::REFUSED,
        Err(SendError::Transient {
            retry_after: Some(wait),
            ..
        }) => return Ok(Some(CodeSent::Later(ctx.clock.after(wait)))),
        Err(SendError::Transient { why, .. } | SendError::Config(why)) => {
            return Err(JobError::Retry(phone::without(&why, &sms.to)));
        }
    };
    Ok(Some(CodeSent::Now(sent, code.number_hash)))
}

/// Notes how a code stands. Where the person was erased meanwhile, the message in the folder goes as well.
pub(crate) async fn code_sent(
    ctx: &Ctx,
    tx: &mut Tx,
    (user, id): (UserId, CodeId),
    state: &str,
    number_hash: &[u8],
) -> Result<(), Error> {
    if people::lock(tx, user).await?.is_none() {
        return super::erasure::texts(ctx, tx, number_hash).await;
    }
    Ok(phones::set_state(tx, user, id, state).await?)
}

/// The message that brings a code.
fn text(ctx: &Ctx, code: &str, language: Option<&str>) -> String {
    let product = &ctx.product_name;
    for language in languages(language) {
        match language.to_ascii_lowercase().as_str() {
            "de" => {
                return format!(
                    "{code} ist Ihr Code für {product}. Er gilt zehn Minuten. Geben Sie ihn niemandem."
                );
            }
            "en" => break,
            _ => {}
        }
    }
    format!("{code} is your code for {product}. It is good for ten minutes. Give it to nobody.")
}

//! Asking for a notification: by a service's event or by a call.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::{Actor, Timestamp};
use stoa_notifications_api::{DATA_MAX, RECIPIENTS_MAX, Recipients};
use stoa_service::{Criticality, NotificationType};

use crate::{
    ctx::Ctx,
    error::Error,
    jobs,
    ops::{text::Texts, topics},
    store::notifications::{self, New, NotificationRow},
};

/// Longest idempotency key, in bytes.
const KEY_MAX: usize = 255;
/// Longest kind of a reference, in bytes.
const REFERENCE_MAX: usize = 50;
/// What the name of a sender begins with that is a service.
pub(crate) const SERVICE: &str = "service:";
/// The field and the code with which a type is refused that no service of this process has.
pub(crate) const UNKNOWN_TYPE: (&str, &str) = ("type", "unknown");
/// How far ahead a notification can be scheduled.
const AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_hours(366 * 24);

/// What is asked for.
pub(crate) struct Request {
    pub(crate) kind: String,
    pub(crate) recipients: Recipients,
    pub(crate) data: Value,
    /// Who asks: keys are theirs.
    pub(crate) sender: String,
    pub(crate) key: String,
    pub(crate) send_at: Option<Timestamp>,
}

/// A request that can be carried out.
pub(crate) struct Checked {
    kind: &'static NotificationType,
    recipients: Recipients,
    data: Map<String, Value>,
    sender: String,
    key: String,
    send_at: Option<Timestamp>,
}

/// Refuses what could never be sent, with the field.
pub(crate) fn check(ctx: &Ctx, request: Request) -> Result<Checked, Error> {
    let wrong = |field, code, message: String| Err(Error::Field(field, code, message));
    let Some(kind) = ctx.types.get(&request.kind) else {
        return wrong(
            UNKNOWN_TYPE.0,
            UNKNOWN_TYPE.1,
            "No service sends notifications of this type".to_owned(),
        );
    };
    let Value::Object(data) = request.data else {
        return wrong("data", "wrong_type", "Expected an object".to_owned());
    };
    if serde_json::to_string(&data).map_or(usize::MAX, |text| text.len()) > DATA_MAX {
        return wrong(
            "data",
            "too_long",
            format!("At most {DATA_MAX} bytes of JSON are taken"),
        );
    }
    if !(1..=KEY_MAX).contains(&request.key.len()) {
        return wrong(
            "idempotency_key",
            "length",
            format!("It has 1 to {KEY_MAX} bytes"),
        );
    }
    let ahead = ctx.clock.now().saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
    if request.send_at.is_some_and(|at| at > ahead) {
        return wrong("send_at", "range", "At most a year ahead".to_owned());
    }
    if kind.details && !request.sender.starts_with(SERVICE) {
        return wrong(
            "type",
            "not_allowed",
            "Only a service asks for notifications of this type".to_owned(),
        );
    }
    if !takes(kind, &request.recipients) {
        return wrong(
            "recipients",
            "not_allowed",
            "Notifications of this type do not go to such recipients".to_owned(),
        );
    }
    Ok(Checked {
        kind,
        recipients: recipients(request.recipients)?,
        data,
        sender: request.sender,
        key: request.key,
        send_at: request.send_at,
    })
}

/// Whether notifications of a type go to such recipients. What is not critical waits for digests, which have no details.
fn takes(kind: &NotificationType, recipients: &Recipients) -> bool {
    match recipients {
        Recipients::Reference(_) => kind.details,
        Recipients::Users(_) => !kind.details || kind.criticality == Criticality::Critical,
        Recipients::Topic(_) | Recipients::Managers(_) => !kind.details,
    }
}

/// Each person once, in the order in which they are locked.
fn recipients(given: Recipients) -> Result<Recipients, Error> {
    match given {
        Recipients::Users(mut users) => {
            users.sort_unstable();
            users.dedup();
            let wrong = |code, message: String| Err(Error::Field("users", code, message));
            match users.len() {
                0 => wrong("required", "Name somebody".to_owned()),
                count if count > RECIPIENTS_MAX => wrong(
                    "too_many",
                    format!("At most {RECIPIENTS_MAX} people; more follow a topic"),
                ),
                _ => Ok(Recipients::Users(users)),
            }
        }
        Recipients::Reference(reference) => match reference.kind.len() {
            1..=REFERENCE_MAX => Ok(Recipients::Reference(reference)),
            _ => {
                let message = format!("The kind of a reference has 1 to {REFERENCE_MAX} bytes");
                Err(Error::Field("reference", "length", message))
            }
        },
        Recipients::Managers(organization) => Ok(Recipients::Managers(organization)),
        Recipients::Topic(topic) if topics::is_topic(&topic) => Ok(Recipients::Topic(topic)),
        Recipients::Topic(_) => {
            let most = topics::TOPIC_MAX;
            let message = format!("A topic is 1 to {most} characters of a-z, 0-9, _, ., : and -");
            Err(Error::Field("topic", "format", message))
        }
    }
}

/// Writes it down and has it go out. The same request again gives the same notification.
pub(crate) async fn accept(tx: &mut Tx, request: &Checked) -> Result<NotificationRow, Error> {
    let now = tx.clock().now();
    let data = Value::Object(request.data.clone()).to_string();
    let fingerprint = fingerprint(request, &data)?;
    let new = New {
        kind: request.kind.name,
        sender: &request.sender,
        key: &request.key,
        fingerprint: &fingerprint,
        data: &data,
        recipients: &request.recipients,
        send_at: request.send_at.map_or(now, |at| at.max(now)),
    };
    let Some(row) = notifications::insert(tx, &new).await? else {
        let there = notifications::by_key(tx, &request.sender, &request.key).await?;
        let same = there.filter(|there| there.fingerprint == fingerprint);
        return same.ok_or(Error::KeyReused);
    };
    jobs::fan_out_at(tx, request.kind.criticality, row.id, row.send_at).await?;
    Ok(row)
}

/// Refuses data that a text of the type cannot be made of, in whatever language: who calls learns of it, and not from those who get nothing.
async fn fits(ctx: &Ctx, request: &Checked) -> Result<(), Error> {
    let texts = Texts::load(ctx, request.kind).await?;
    texts.try_all(ctx, &request.data).await.map_err(|unfit| {
        let of = format!(
            "The text for {} in the language {}",
            unfit.channel, unfit.language
        );
        match unfit.missing {
            Some(name) => Error::Data(format!("data.{name}"), "required", format!("{of} needs it")),
            None => {
                let message = format!("{of} cannot be made of it: {}", unfit.broken);
                Error::Data("data".to_owned(), "broken_template", message)
            }
        }
    })
}

/// Has a notification go out that somebody asks for by a call, and writes down that they did.
pub(crate) async fn by_call(ctx: &Ctx, actor: &Actor, request: Request) -> Result<NotificationRow, Error> {
    let checked = check(ctx, request)?;
    fits(ctx, &checked).await?;
    let mut tx = ctx.db.begin().await?;
    let row = accept(&mut tx, &checked).await?;
    let entry = Entry::by(actor, "notification.send", "notification", Some(row.id.uuid()));
    tx.audit(&entry.detail(json!({ "type": row.kind }))).await?;
    tx.commit().await?;
    Ok(row)
}

fn fingerprint(request: &Checked, data: &str) -> Result<Vec<u8>, Error> {
    let parts = (request.kind.name, &request.recipients, data, request.send_at);
    let text = stoa_db::Json::text(&parts)?;
    Ok(Sha256::digest(text).to_vec())
}

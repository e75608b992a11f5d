//! One mail with one notification: where it goes, what it says, and its sending.

use serde_json::{Map, Value};
use stoa_auth_api::{AccessError, Asked, Prepared, v1::Contact};
use stoa_events::JobError;
use stoa_mail::Mail;
use stoa_service::{Channel, Criticality, NotificationType};

use super::{
    send::{Attempt, Ended, Reader, again, outcome},
    suppress,
    text::{To, text},
    unsubscribe,
};
use crate::{
    ctx::Ctx,
    error::Error,
    store::{deliveries::DeliveryId, notifications::NotificationRow},
};

/// Why there is no mail to send now.
enum Stop {
    Ended(Ended),
    /// auth does not answer.
    Away(AccessError),
    Failed(Error),
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<AccessError> for Stop {
    fn from(error: AccessError) -> Self {
        Self::Away(error)
    }
}

/// Sends it, unless something speaks against it. `reader`: none where it goes to a reference.
pub(crate) async fn send(
    ctx: &Ctx,
    kind: &'static NotificationType,
    notification: &NotificationRow,
    (delivery, reader): (DeliveryId, Option<&Reader>),
    attempt: Attempt,
) -> Result<Ended, JobError> {
    let mail = match write(ctx, kind, notification, (delivery, reader)).await {
        Ok(mail) => mail,
        Err(Stop::Ended(ended)) => return Ok(ended),
        Err(Stop::Away(error)) => {
            return Err(again(ctx, &[delivery], attempt, &error.to_string(), None).await?);
        }
        Err(Stop::Failed(error)) => return Err(error.into()),
    };
    let sent = ctx.mailer.send(&mail).await;
    outcome(ctx, &[delivery], &mail.to, attempt, sent).await
}

async fn write(
    ctx: &Ctx,
    kind: &'static NotificationType,
    notification: &NotificationRow,
    (delivery, reader): (DeliveryId, Option<&Reader>),
) -> Result<Mail, Stop> {
    let known = match reader {
        Some(reader) => {
            let contact = reachable(kind, ctx.contacts.of(reader.user).await?)?;
            not_suppressed(ctx, kind, &contact.email).await?;
            Some(contact.email)
        }
        None => None,
    };
    let mut data = notification.data.0.clone();
    let named = match kind.details {
        true => prepare(ctx, notification, reader, &mut data).await?,
        false => None,
    };
    let email = match (known, named) {
        (Some(email), _) => email,
        (None, Some(email)) => {
            not_suppressed(ctx, kind, &email).await?;
            email
        }
        (None, None) => return Err(Ended::skipped("no_account", "Not sent: it has no address").into()),
    };
    let unsubscribe = match reader.filter(|_| kind.criticality != Criticality::Critical) {
        Some(reader) => unsubscribe::link(ctx, reader.user, kind.category).await?,
        None => String::new(),
    };
    let to = To {
        email: &email,
        unsubscribe_url: &unsubscribe,
    };
    let language = reader.and_then(|reader| reader.person.language.as_deref());
    let text = text(ctx, kind, Channel::Email, language, &data, Some(to)).await??;
    Ok(Mail {
        // The same at each attempt, so that a mail that comes twice is known by its Message-ID.
        id: format!("notification-{delivery}"),
        headers: unsubscribe::headers(&unsubscribe),
        subject: text.subject,
        text: text.text,
        html: text.html,
        to: email,
    })
}

/// Adds the details to the data. The address that the mail goes to, if it goes to a reference.
async fn prepare(
    ctx: &Ctx,
    notification: &NotificationRow,
    reader: Option<&Reader>,
    data: &mut Map<String, Value>,
) -> Result<Option<String>, Stop> {
    let asked = Asked {
        kind: &notification.kind,
        key: &notification.idempotency_key,
        data: &notification.data.0,
        user: reader.map(|reader| reader.user),
    };
    match ctx.mails.prepare(asked).await? {
        Prepared::Mail { address, details } => {
            data.extend(details);
            Ok(address)
        }
        Prepared::NotNeeded(why) => Err(Ended::skipped("not_needed", format!("Not sent: {why}")).into()),
    }
}

async fn not_suppressed(ctx: &Ctx, kind: &NotificationType, email: &str) -> Result<(), Stop> {
    match suppress::against(ctx, kind, Channel::Email, email).await? {
        Some(ended) => Err(ended.into()),
        None => Ok(()),
    }
}

/// The contact, if anything of this type may go to this person.
pub(crate) fn has_account(kind: &NotificationType, contact: Option<Contact>) -> Result<Contact, Ended> {
    let Some(contact) = contact else {
        let words = "Not sent: the person has no account any more";
        return Err(Ended::skipped("no_account", words));
    };
    if contact.is_disabled && kind.criticality != Criticality::Critical {
        return Err(Ended::skipped(
            "account_disabled",
            "Not sent: the account is disabled",
        ));
    }
    Ok(contact)
}

/// The contact, if mail of this type may go there.
pub(crate) fn reachable(kind: &NotificationType, contact: Option<Contact>) -> Result<Contact, Ended> {
    let contact = has_account(kind, contact)?;
    if !contact.is_email_verified && !kind.to_unverified {
        return Err(Ended::skipped(
            "address_unverified",
            "Not sent: the address is not verified",
        ));
    }
    Ok(contact)
}

//! Sending one delivery as a text message.

use stoa_events::JobError;
use stoa_service::{Channel, NotificationType};
use stoa_sms::{Number, SendError, Sms};

use super::{
    phones, retry,
    send::{Attempt, Ended, Reader},
    send_mail::has_account,
    suppress,
    text::text,
};
use crate::{
    ctx::Ctx,
    phone,
    store::{
        deliveries::DeliveryId,
        notifications::NotificationRow,
        phones as store,
        sends::{SentTo, state},
    },
    texts::Rendered,
};

/// Sends it to the number that the person has shown to be theirs.
pub(crate) async fn send(
    ctx: &Ctx,
    kind: &'static NotificationType,
    notification: &NotificationRow,
    (delivery, reader): (DeliveryId, &Reader),
    attempt: Attempt,
) -> Result<Ended, JobError> {
    let this = (&[delivery][..], Channel::Sms);
    let contact = match ctx.contacts.of(reader.user).await {
        Ok(contact) => contact,
        Err(error) => return Err(retry::failed(ctx, this, attempt, &error.to_string(), None).await?),
    };
    if let Err(ended) = has_account(kind, contact) {
        return Ok(ended);
    }
    let Some(row) = store::get(&ctx.db, reader.user).await? else {
        let words = "Not sent: the person has no verified phone number";
        return Ok(Ended::skipped("no_phone", words));
    };
    let number = phones::open(ctx, reader.user, &row.sealed_number)?;
    if !Number::parse(&number).is_some_and(|number| ctx.sms.takes(&number)) {
        let words = "Not sent: no messages are sent to numbers that begin as the person's does";
        return Ok(Ended::skipped("number_not_served", words));
    }
    if let Some(ended) = suppress::against_hash(ctx, kind, Channel::Sms, &row.number_hash).await? {
        return Ok(ended);
    }
    let (language, data) = (reader.person.language.as_deref(), &notification.data.0);
    let text = match text(ctx, kind, Channel::Sms, language, data, None).await? {
        Ok(text) => text,
        Err(ended) => return Ok(ended),
    };
    let sms = Sms {
        id: format!("notification-{delivery}"),
        text: plain(ctx, &text),
        to: number,
    };
    let mut to = SentTo {
        masked: phone::masked(&sms.to),
        hash: row.number_hash,
        provider_id: None,
    };
    let ended = match ctx.sms.send(&sms).await {
        Ok(receipt) => {
            let words = format!("Sent to {} by {}", to.masked, receipt.provider);
            to.provider_id = Some(receipt.id).filter(|id| !id.is_empty() && ctx.sms.has_callbacks());
            Ended {
                state: state::SENT,
                ..Ended::skipped("sent", words)
            }
        }
        Err(SendError::Transient {
            why,
            retry_after: Some(wait),
            ..
        }) => retry::put_off(ctx, attempt, wait, &phone::without(&why, &sms.to)),
        Err(SendError::Transient { why, .. } | SendError::Config(why)) => {
            let why = phone::without(&why, &sms.to);
            return Err(retry::failed(ctx, this, attempt, &why, Some(&to)).await?);
        }
        Err(SendError::Refused(why) | SendError::Gone(why)) => {
            let why = phone::without(&why, &sms.to);
            Ended::failed("refused", format!("The recipient was refused: {why}"))
        }
        Err(SendError::Permanent(why)) => {
            let why = phone::without(&why, &sms.to);
            Ended::failed("refused_for_good", format!("It was refused for good: {why}"))
        }
    };
    Ok(Ended {
        to: Some(Box::new(to)),
        ..ended
    })
}

/// Without characters that move a cursor, and with its link at the end.
fn plain(ctx: &Ctx, text: &Rendered) -> String {
    let clean = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let mut plain: String = text.text.replace("\r\n", "\n").chars().map(clean).collect();
    if let Some(link) = &text.link {
        plain = format!("{plain}\n{}{link}", ctx.public_url);
    }
    plain
}

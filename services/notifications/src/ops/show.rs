//! Putting a notification into the inbox.

use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::UserId;
use stoa_service::{Channel, Criticality, NotificationType};

use super::{fan_out::Recipient, inbox as ops, text::Texts};
use crate::{
    ctx::Ctx,
    error::Error,
    events::NotificationShown,
    store::{
        deliveries::DeliveryId,
        inbox::{self, ItemRow},
        notifications::NotificationRow,
        sends::{self, New, state},
        steps,
    },
};

/// Longest text in an inbox, in characters.
const BODY_MAX: usize = 4000;

/// Puts it there, in the language of the recipient.
pub(crate) async fn show(
    ctx: &Ctx,
    tx: &mut Tx,
    (kind, texts): (&'static NotificationType, &Texts),
    notification: &NotificationRow,
    recipient: &Recipient,
    delivery: DeliveryId,
) -> Result<(), Error> {
    let language = recipient.person.language.as_deref();
    let made = texts.render(ctx, Channel::InApp, language, &notification.data.0, None);
    let (state, code, words) = match made {
        Some(Ok(text)) => {
            let body: String = text.text.chars().take(BODY_MAX).collect();
            let is_critical = kind.criticality == Criticality::Critical;
            let new = inbox::New {
                user: recipient.user,
                delivery,
                kind: kind.name,
                category: kind.category,
                is_critical,
                title: &text.subject,
                body: &body,
                link: text.link.as_deref(),
            };
            let item = inbox::insert(tx, &new).await?;
            let bounds = (ctx.config.inbox_max, is_critical);
            let unread = ops::make_room(tx, recipient.user, &recipient.person, bounds).await?;
            publish(tx, recipient.user, item, unread).await?;
            (state::SENT, "shown", "Put into the inbox".to_owned())
        }
        Some(Err(broken)) => {
            let words = format!("Not shown in the inbox: the template is broken in {broken}");
            (state::FAILED, "template_broken", words)
        }
        None => {
            let words = "Not shown in the inbox: there is no text for it".to_owned();
            (state::SKIPPED, "no_template", words)
        }
    };
    let new = New {
        notification: notification.id,
        delivery,
        channel: Channel::InApp,
        user: recipient.user,
        kind: kind.name,
        state,
        code,
        counts: false,
    };
    sends::insert(tx, &new, None).await?;
    Ok(steps::insert(tx, delivery, Channel::InApp, code, &words).await?)
}

/// Shows it in inboxes that are open.
async fn publish(tx: &mut Tx, user_id: UserId, item: ItemRow, unread: i64) -> Result<(), Error> {
    let event = NotificationShown {
        user_id,
        id: item.id.uuid(),
        kind: item.kind,
        category: item.category,
        title: item.title,
        link: item.link,
        unread,
    };
    let channel = stoa_events::Channel::user(user_id);
    Ok(tx.publish(&channel, &event).await.map(drop)?)
}

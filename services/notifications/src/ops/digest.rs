//! One mail with all that somebody wants to be told of together.

use serde_json::{Map, Value, json};
use stoa_events::JobError;
use stoa_kernel::UserId;
use stoa_mail::Mail;
use stoa_service::Channel;

use super::{
    send::{Attempt, Ended, Reader, again, content, outcome, reader},
    send_mail::reachable,
    suppress,
    text::{self, Texts, To},
    unsubscribe,
};
use crate::{
    ctx::Ctx,
    store::{
        deliveries::DeliveryId,
        digests::{self, DigestId, Entry},
        people,
        sends::state,
    },
    texts::{About, Sources},
};

/// Notifications of one mail.
const MOST: u32 = 50;

/// What a digest became.
pub(crate) struct Sent {
    pub(crate) user: UserId,
    pub(crate) all: Vec<(DeliveryId, Ended)>,
    /// There are more than fit into one mail.
    pub(crate) more: bool,
}

/// A digest's mail, in one of the languages that it has.
const TEXTS: [(&str, Sources<'static>); 2] = [
    (
        "en",
        Sources {
            subject: "{{ items|length }} notification{% if items|length > 1 %}s{% endif %} from {{ product }}",
            text: include_str!("../../templates/digest.en.txt"),
            html: include_str!("../../templates/digest.html"),
            link: "",
        },
    ),
    (
        "de",
        Sources {
            subject: "{{ items|length }} Mitteilung{% if items|length > 1 %}en{% endif %} von {{ product }}",
            text: include_str!("../../templates/digest.de.txt"),
            html: include_str!("../../templates/digest.html"),
            link: "",
        },
    ),
];

/// Sends what is in a digest; none if there is nothing left to do.
pub(crate) async fn send(ctx: &Ctx, id: DigestId, attempt: Attempt) -> Result<Option<Sent>, JobError> {
    let Some(user) = digests::user_of(&ctx.db, id).await? else {
        return Ok(None);
    };
    let mut tx = ctx.db.begin().await?;
    if people::lock(&mut tx, user).await?.is_none() {
        tx.rollback().await;
        return Ok(None);
    }
    digests::close(&mut tx, id).await?;
    tx.commit().await?;
    let (Some(reader), mut entries) = (
        reader(ctx, user).await?,
        digests::entries(&ctx.db, id, MOST + 1).await?,
    ) else {
        return Ok(None);
    };
    let more = entries.len() > MOST as usize;
    entries.truncate(MOST as usize);
    if entries.is_empty() {
        return Ok(None);
    }
    let all = mail(ctx, &reader, &entries, attempt).await?;
    Ok(Some(Sent { user, all, more }))
}

/// Makes one mail of them; each that is left out has its own reason.
async fn mail(
    ctx: &Ctx,
    reader: &Reader,
    entries: &[Entry],
    attempt: Attempt,
) -> Result<Vec<(DeliveryId, Ended)>, JobError> {
    let ids: Vec<_> = entries.iter().map(|entry| entry.delivery_id).collect();
    let contact = match ctx.contacts.of(reader.user).await {
        Ok(contact) => contact,
        Err(error) => return Err(again(ctx, &ids, attempt, &error.to_string(), None).await?),
    };
    let (mut all, mut items, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        match item(ctx, reader, entry, attempt, contact.clone()).await? {
            Ok(item) => {
                items.push(item);
                listed.push(entry.delivery_id);
            }
            Err(ended) => all.push((entry.delivery_id, ended)),
        }
    }
    let (Some(first), Some(contact)) = (listed.first(), contact) else {
        return Ok(all);
    };
    let unsubscribe = unsubscribe::link(ctx, reader.user, "").await?;
    let language = reader.person.language.as_deref();
    let (language, sources) = in_language(language);
    let to = To {
        email: &contact.email,
        unsubscribe_url: &unsubscribe,
    };
    let about = About {
        language,
        ..text::about(ctx, Some(to))
    };
    let data = Map::from_iter([("items".to_owned(), Value::from(items))]);
    let made = ctx.texts.render(sources, &data, &about);
    let text = made.map_err(|broken| JobError::Fatal(format!("a digest cannot be written: {broken}")))?;
    let mail = Mail {
        // Of the first in it, for that is in no other.
        id: format!("digest-{first}"),
        to: contact.email.clone(),
        subject: text.subject,
        text: text.text,
        html: text.html,
        headers: unsubscribe::headers(&unsubscribe),
    };
    let sent = ctx.mailer.send(&mail).await;
    let mut ended = outcome(ctx, &listed, &contact.email, attempt, sent).await?;
    if ended.again_at.is_some() {
        // Where it waits already.
        ended.state = state::DIGESTED;
    }
    all.extend(listed.into_iter().map(|delivery| (delivery, ended.clone())));
    Ok(all)
}

/// One notification as it stands in a digest, or why it does not.
async fn item(
    ctx: &Ctx,
    reader: &Reader,
    entry: &Entry,
    attempt: Attempt,
    contact: Option<stoa_auth_api::v1::Contact>,
) -> Result<Result<Value, Ended>, JobError> {
    let content = content(
        ctx,
        (&entry.kind, entry.notification_id),
        Channel::Email,
        Some(reader),
        attempt,
    )
    .await?;
    let (kind, notification) = match content {
        Ok(content) => content,
        Err(ended) => return Ok(Err(ended)),
    };
    let contact = match reachable(kind, contact) {
        Ok(contact) => contact,
        Err(ended) => return Ok(Err(ended)),
    };
    if let Some(ended) = suppress::against(ctx, kind, Channel::Email, &contact.email).await? {
        return Ok(Err(ended));
    }
    let language = reader.person.language.as_deref();
    let texts = Texts::load(ctx, kind).await?;
    let to = To {
        email: &contact.email,
        unsubscribe_url: "",
    };
    let made = texts.render(ctx, Channel::Email, language, &notification.data.0, Some(to));
    Ok(match made {
        Some(Ok(text)) => Ok(json!({ "title": text.subject, "text": text.text, "link": text.link })),
        Some(Err(broken)) => {
            let words = format!("Not sent: the template is broken in {broken}");
            Err(Ended::failed("template_broken", words))
        }
        None => Err(Ended::skipped("no_template", "Not sent: there is no text for it")),
    })
}

fn in_language(wanted: Option<&str>) -> (&'static str, Sources<'static>) {
    let languages = crate::types::languages(wanted);
    let mut found = languages.iter().filter_map(|language| {
        let mut texts = TEXTS.into_iter();
        texts.find(|(known, _)| known.eq_ignore_ascii_case(language))
    });
    found.next().unwrap_or(TEXTS[0])
}

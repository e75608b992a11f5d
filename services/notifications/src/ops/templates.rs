//! Writing texts: refused when they are broken, kept in versions, and back to an earlier one in one call.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use stoa_audit::{Entry, TxExt as _};
use stoa_kernel::{Actor, Timestamp};
use stoa_service::{Channel, Criticality, NotificationType};

use super::text;
use crate::{
    ctx::Ctx,
    error::{Error, TEMPLATE_FIXED, TEMPLATE_NEEDED},
    mjml, sandbox,
    store::templates::{self, Key, TemplateRow},
    texts::{About, Broken, Rendered, Sources},
    types::default_text,
};

/// One text of a type, as it is used.
pub(crate) struct Used {
    pub(crate) kind: &'static str,
    /// Its version is 0 where it came with the program.
    pub(crate) row: TemplateRow,
    /// The newest that there was.
    pub(crate) newest: i64,
}

/// The type and the channel that a key names.
pub(crate) fn known(ctx: &Ctx, key: &Key) -> Result<(&'static NotificationType, Channel), Error> {
    let kind = ctx.types.get(&key.kind).ok_or(Error::NotFound)?;
    let channel = Channel::of_name(&key.channel).ok_or(Error::NotFound)?;
    let has_texts = super::preferences::channels(kind).any(|one| one == channel);
    (has_texts && is_language(&key.language))
        .then_some((kind, channel))
        .ok_or(Error::NotFound)
}

/// A tag such as `en`, `pt-BR` or `zh-Hant-TW`.
fn is_language(tag: &str) -> bool {
    let part = |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    tag.len() <= 35 && tag.split('-').all(part) && tag.starts_with(|c: char| c.is_ascii_lowercase())
}

/// The text that came with the program, as a version.
fn own(kind: &'static NotificationType, channel: Channel, language: &str) -> Option<TemplateRow> {
    let text = default_text(kind, channel, &[language.to_owned()])?;
    Some(TemplateRow {
        channel: channel.name().to_owned(),
        language: text.language.to_owned(),
        version: 0,
        subject: text.subject.to_owned(),
        body: text.text.to_owned(),
        html: text.html.to_owned(),
        link: text.link.to_owned(),
        mjml: String::new(),
        created_at: Timestamp::UNIX_EPOCH,
    })
}

/// All texts of a type that are used.
pub(crate) async fn of_type(ctx: &Ctx, kind: &'static NotificationType) -> Result<Vec<Used>, Error> {
    let written = templates::of_type(&ctx.db, kind.name).await?;
    let newest = templates::active_of(&ctx.db, kind.name).await?;
    let newest_of = |channel: &str, language: &str| {
        let found = newest
            .iter()
            .find(|one| one.channel == channel && one.language == language);
        found.map_or(0, |one| one.newest)
    };
    let is_written = |channel: Channel, language: &str| {
        written
            .iter()
            .any(|row| row.channel == channel.name() && row.language == language)
    };
    let own = kind
        .templates
        .iter()
        .filter(|text| !is_written(text.channel, text.language))
        .filter_map(|text| own(kind, text.channel, text.language));
    let mut rows: Vec<_> = own.chain(written.iter().cloned()).collect();
    rows.sort_by(|a, b| (&a.channel, &a.language).cmp(&(&b.channel, &b.language)));
    let used = |row: TemplateRow| Used {
        kind: kind.name,
        newest: newest_of(&row.channel, &row.language),
        row,
    };
    Ok(rows.into_iter().map(used).collect())
}

/// The text that is used for a key.
pub(crate) async fn read(ctx: &Ctx, key: &Key) -> Result<Used, Error> {
    let (kind, _) = known(ctx, key)?;
    let mut all = of_type(ctx, kind).await?.into_iter();
    all.find(|one| one.row.channel == key.channel && one.row.language == key.language)
        .ok_or(Error::NotFound)
}

/// A text as somebody writes it.
pub(crate) struct Written<'a> {
    pub(crate) sources: Sources<'a>,
    /// In place of the HTML.
    pub(crate) mjml: &'a str,
}

/// The HTML, made of MJML where it is written so.
fn html<'a>(written: &Written<'a>) -> Result<Cow<'a, str>, Error> {
    let broken = |(line, message)| {
        let part = "mjml";
        Error::Template(Broken { part, line, message })
    };
    if written.mjml.trim().is_empty() {
        return Ok(Cow::Borrowed(written.sources.html));
    }
    if !written.sources.html.is_empty() {
        let message = "Give either HTML or MJML".to_owned();
        return Err(Error::Field("mjml", "invalid", message));
    }
    sandbox::check(written.mjml).map_err(broken)?;
    let html = mjml::compile(written.mjml).map_err(broken)?;
    // What stood apart in it may have come together.
    sandbox::check_up_to(&html, mjml::HTML_MAX).map_err(|(_, message)| broken((1, message)))?;
    Ok(Cow::Owned(html))
}

/// What a text makes of the type's sample, or of other data.
pub(crate) fn preview(
    ctx: &Ctx,
    key: &Key,
    written: &Written<'_>,
    data: Option<Map<String, Value>>,
) -> Result<Rendered, Error> {
    made(ctx, key, written, data).map(|(made, _)| made)
}

/// The same, with the HTML that is to be kept.
fn made(
    ctx: &Ctx,
    key: &Key,
    written: &Written<'_>,
    data: Option<Map<String, Value>>,
) -> Result<(Rendered, String), Error> {
    let (kind, _) = known(ctx, key)?;
    let html = html(written)?;
    let sources = written.sources;
    for (part, source) in [
        ("subject", sources.subject),
        ("text", sources.text),
        ("html", sources.html),
        ("link", sources.link),
    ] {
        sandbox::check(source).map_err(|(line, message)| Error::Template(Broken { part, line, message }))?;
    }
    let sample = || serde_json::from_str(kind.sample).unwrap_or_default();
    let link = match kind.criticality {
        Criticality::Critical => String::new(),
        _ if kind.details => String::new(),
        _ => format!("{}/notifications/unsubscribe?token=example", ctx.public_url),
    };
    let to = text::To {
        email: "ada@example.com",
        unsubscribe_url: &link,
    };
    let about = About {
        language: &key.language,
        ..text::about(ctx, Some(to))
    };
    let data = data.unwrap_or_else(sample);
    if !written.mjml.trim().is_empty() {
        // By itself, for the line of what is wrong is that of what was written.
        let alone = Sources {
            text: written.mjml,
            html: "",
            link: "",
            ..sources
        };
        let part = |broken: Broken| match broken.part {
            "text" => Broken {
                part: "mjml",
                ..broken
            },
            _ => broken,
        };
        let tried = ctx.texts.render(alone, &data, &about);
        tried.map_err(|broken| Error::Template(part(broken)))?;
    }
    let sources = Sources {
        html: &html,
        ..sources
    };
    let made = ctx.texts.render(sources, &data, &about);
    let made = made.map_err(Error::Template)?;
    Ok((made, html.into_owned()))
}

/// Has a text used from now on, as a new version, unless it is broken.
pub(crate) async fn write(ctx: &Ctx, actor: &Actor, key: &Key, written: &Written<'_>) -> Result<Used, Error> {
    let (kind, _) = known(ctx, key)?;
    if kind.details {
        return Err(TEMPLATE_FIXED.into());
    }
    let (_, html) = made(ctx, key, written, None)?;
    let sources = written.sources;
    let mut tx = ctx.db.begin().await?;
    let version = templates::lock(&mut tx, key).await?.newest + 1;
    let row = TemplateRow {
        channel: key.channel.clone(),
        language: key.language.clone(),
        version,
        subject: sources.subject.to_owned(),
        body: sources.text.to_owned(),
        html,
        link: sources.link.to_owned(),
        mjml: written.mjml.to_owned(),
        created_at: tx.clock().now(),
    };
    templates::insert(&mut tx, key, &row).await?;
    templates::activate(&mut tx, key, version, version).await?;
    tx.audit(&entry(actor, "template.write", key, version)).await?;
    tx.commit().await?;
    Ok(Used {
        kind: kind.name,
        row,
        newest: version,
    })
}

/// Has an earlier version of a text used; 0 is the one that came with the program.
pub(crate) async fn roll_back(ctx: &Ctx, actor: &Actor, key: &Key, version: i64) -> Result<Used, Error> {
    let (kind, channel) = known(ctx, key)?;
    let none = || {
        let message = "There is no such version, or it is kept no longer".to_owned();
        Error::Field("version", "unknown", message)
    };
    let row = match version {
        0 => own(kind, channel, &key.language),
        _ => templates::get(&ctx.db, key, version).await?,
    };
    let row = row.ok_or_else(none)?;
    let mut tx = ctx.db.begin().await?;
    let newest = templates::lock(&mut tx, key).await?.newest;
    if version > 0 && !templates::has(&mut tx, key, version).await? {
        return Err(none());
    }
    templates::activate(&mut tx, key, version, newest).await?;
    tx.audit(&entry(actor, "template.roll_back", key, version))
        .await?;
    tx.commit().await?;
    Ok(Used {
        kind: kind.name,
        row,
        newest,
    })
}

/// Has a text of a language that did not come with the program not be used any more. Its versions are kept.
pub(crate) async fn withdraw(ctx: &Ctx, actor: &Actor, key: &Key) -> Result<(), Error> {
    let (kind, channel) = known(ctx, key)?;
    if own(kind, channel, &key.language).is_some() {
        return Err(TEMPLATE_NEEDED.into());
    }
    let mut tx = ctx.db.begin().await?;
    let used = templates::lock(&mut tx, key).await?;
    if used.version == 0 {
        return Err(Error::NotFound);
    }
    templates::activate(&mut tx, key, 0, used.newest).await?;
    tx.audit(&entry(actor, "template.withdraw", key, used.version))
        .await?;
    Ok(tx.commit().await?)
}

fn entry<'a>(actor: &'a Actor, action: &'a str, key: &Key, version: i64) -> Entry<'a> {
    Entry::by(actor, action, "template", None).detail(json!({
        "type": key.kind, "channel": key.channel, "language": key.language, "version": version,
    }))
}

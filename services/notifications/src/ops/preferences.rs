//! How a person wants to be told: what the types say, and what they have chosen over it.

use std::collections::BTreeSet;

use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_kernel::{Actor, Expected, UserId, codes};
use stoa_service::{Channel, Criticality, NotificationType};

use crate::{
    ctx::Ctx,
    decide::{Delivery, Source},
    error::Error,
    store::{
        people::{self, Person},
        preferences::{self, PreferenceRow},
    },
    types::Types,
    when::QuietHours,
};

/// How a category goes by a channel, and who says so.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) category: &'static str,
    pub(crate) channel: Channel,
    pub(crate) delivery: Delivery,
    pub(crate) source: Source,
}

/// All that holds for a person.
pub(crate) struct Preferences {
    pub(crate) person: Person,
    pub(crate) choices: Vec<Choice>,
}

/// What a person is to have chosen.
pub(crate) struct Wanted {
    pub(crate) rows: Vec<PreferenceRow>,
    pub(crate) quiet: Option<QuietHours>,
    /// In minutes since midnight.
    pub(crate) digest_at: Option<i64>,
}

/// How `kind` goes to somebody by a channel, with these choices of theirs. None where it does not go by it at all.
pub(crate) fn chosen(
    kind: &NotificationType,
    channel: Channel,
    rows: &[PreferenceRow],
) -> Option<(Delivery, Source)> {
    let theirs = rows
        .iter()
        .find(|row| row.category == kind.category && row.channel == channel.name());
    match theirs.and_then(|row| Delivery::of_name(&row.delivery)) {
        Some(delivery) => Some((delivery, Source::Person)),
        None if kind.channels.contains(&channel) => Some((Delivery::AtOnce, Source::Default)),
        None => None,
    }
}

/// The channels that a type has texts for.
pub(crate) fn channels(kind: &NotificationType) -> impl Iterator<Item = Channel> {
    let has = |channel: &Channel| kind.templates.iter().any(|text| text.channel == *channel);
    Channel::ALL.into_iter().filter(has)
}

/// Categories and channels that somebody can choose for, by name: those of types that go to people. Of critical types, only the channels
/// that they do not go by anyway.
fn choosable(types: &Types) -> BTreeSet<(&'static str, Channel)> {
    let is_fixed = |kind: &NotificationType, channel: &Channel| {
        kind.criticality == Criticality::Critical && kind.channels.contains(channel)
    };
    let to_people = types.iter().filter(|kind| !kind.details);
    to_people
        .flat_map(|kind| {
            let open = channels(kind).filter(move |channel| !is_fixed(kind, channel));
            open.map(|channel| (kind.category, channel))
        })
        .collect()
}

/// For the categories and channels by which the person can be reached.
fn choices(types: &Types, person: &Person, rows: &[PreferenceRow]) -> Vec<Choice> {
    let choice = |(category, channel): (&'static str, Channel)| {
        let kinds = || types.iter().filter(|kind| kind.category == category);
        let (delivery, source) = kinds()
            .find_map(|kind| chosen(kind, channel, rows))
            .unwrap_or((Delivery::Off, Source::Default));
        Choice {
            category,
            channel,
            delivery,
            source,
        }
    };
    let all = choosable(types).into_iter();
    all.filter(|(_, channel)| person.is_reached_by(*channel))
        .map(choice)
        .collect()
}

/// What holds for a person.
pub(crate) async fn read(ctx: &Ctx, user: UserId) -> Result<Preferences, Error> {
    let person = people::get(&ctx.db, user).await?.unwrap_or_default();
    let rows = preferences::list(&ctx.db, user).await?;
    Ok(Preferences {
        choices: choices(&ctx.types, &person, &rows),
        person,
    })
}

/// Chooses in the place of all that was chosen before, if that is what the caller has seen.
pub(crate) async fn replace(
    ctx: &Ctx,
    actor: &Actor,
    wanted: &Wanted,
    expected: &Expected,
) -> Result<Preferences, Error> {
    let known = choosable(&ctx.types);
    for (at, row) in wanted.rows.iter().enumerate() {
        let channel = Channel::of_name(&row.channel);
        let fits = |(category, of): &(&str, Channel)| *category == row.category && Some(*of) == channel;
        if !known.iter().any(fits) {
            let message = format!("{} does not go by {}", row.category, row.channel);
            return Err(Error::Item("choices", at, "unknown", message));
        }
        let digest = ["hourly", "daily"].contains(&row.delivery.as_str());
        if digest && channel != Some(Channel::Email) {
            let message = "Only mails come in digests".to_owned();
            return Err(Error::Item("choices", at, "invalid", message));
        }
    }
    let user = actor.user_id;
    let mut tx = ctx.db.begin().await?;
    let person = people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    if !expected.allows(person.version) {
        return Err(Error::Code(codes::PRECONDITION_FAILED));
    }
    preferences::delete_all(&mut tx, user).await?;
    for row in &wanted.rows {
        preferences::set(&mut tx, user, row).await?;
    }
    people::set_times(&mut tx, user, wanted.quiet, wanted.digest_at).await?;
    let entry = Entry::by(
        actor,
        "notification_preferences.set",
        "account",
        Some(user.uuid()),
    );
    tx.audit(&entry).await?;
    let person = people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    tx.commit().await?;
    Ok(Preferences {
        choices: choices(&ctx.types, &person, &wanted.rows),
        person,
    })
}

/// Switches mails of a category off for a locked person; of all categories where it is empty.
pub(crate) async fn no_mails(tx: &mut Tx, types: &Types, user: UserId, category: &str) -> Result<(), Error> {
    for (known, channel) in choosable(types) {
        if channel != Channel::Email || !(category.is_empty() || category == known) {
            continue;
        }
        let row = PreferenceRow {
            category: known.to_owned(),
            channel: channel.name().to_owned(),
            delivery: Delivery::Off.name().to_owned(),
        };
        preferences::set(tx, user, &row).await?;
    }
    Ok(people::raise(tx, user).await?)
}

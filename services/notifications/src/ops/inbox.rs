//! What a person does with their inbox.

use stoa_db::Tx;
use stoa_events::{Channel, TxExt as _};
use stoa_kernel::{Timestamp, UserId};

use crate::{
    ctx::Ctx,
    error::Error,
    events::InboxChanged,
    jobs::Wake,
    store::{
        inbox::{self, ItemId, ItemRow},
        people::{self, Person},
    },
};

/// How far ahead something can be snoozed.
const AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_hours(366 * 24);

/// What is to be changed of an item; what is none stays.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Change {
    pub(crate) is_read: Option<bool>,
    pub(crate) is_archived: Option<bool>,
    pub(crate) snoozed_until: Option<Option<Timestamp>>,
}

/// Changes an item of a person.
pub(crate) async fn change(ctx: &Ctx, user: UserId, id: ItemId, change: Change) -> Result<ItemRow, Error> {
    let now = ctx.clock.now();
    let until = change.snoozed_until.flatten();
    if let Some(until) = until {
        let last = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        if until <= now || until > last {
            let message = "A time ahead, within a year".to_owned();
            return Err(Error::Field("snoozed_until", "range", message));
        }
    }
    let mut tx = ctx.db.begin().await?;
    let person = people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    let before = inbox::find(&mut tx, user, id).await?.ok_or(Error::NotFound)?;
    let after = ItemRow {
        is_read: change.is_read.unwrap_or(before.is_read),
        is_archived: change.is_archived.unwrap_or(before.is_archived),
        snoozed_until: change.snoozed_until.unwrap_or(before.snoozed_until),
        ..before.clone()
    };
    replace(&mut tx, (user, person.unread_count), &before, &after).await?;
    if let Some(until) = until {
        let wake = Wake {
            item_id: id,
            user_id: user,
            until,
        };
        tx.enqueue_at(&wake, until).await?;
    }
    tx.commit().await?;
    Ok(after)
}

/// Deletes an item of a person.
pub(crate) async fn delete(ctx: &Ctx, user: UserId, id: ItemId) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    let person = people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    let gone = inbox::delete(&mut tx, user, id).await?.ok_or(Error::NotFound)?;
    let unread = -i64::from(gone.counts());
    people::count(&mut tx, user, -1, unread).await?;
    changed(&mut tx, user, person.unread_count + unread).await?;
    Ok(tx.commit().await?)
}

/// Updates inboxes that are open.
async fn changed(tx: &mut Tx, user_id: UserId, unread: i64) -> Result<(), Error> {
    let event = InboxChanged { user_id, unread };
    Ok(tx.publish(&Channel::user(user_id), &event).await.map(drop)?)
}

/// Writes an item of a locked person anew, who has so many unread, and counts it.
async fn replace(
    tx: &mut Tx,
    (user, unread): (UserId, i64),
    before: &ItemRow,
    after: &ItemRow,
) -> Result<(), Error> {
    inbox::save(tx, after).await?;
    let change = i64::from(after.counts()) - i64::from(before.counts());
    people::count(tx, user, 0, change).await?;
    changed(tx, user, unread + change).await
}

/// Shows an item again, unread, whose time has come; nothing if it was snoozed otherwise since.
pub(crate) async fn wake(tx: &mut Tx, user: UserId, id: ItemId, until: Timestamp) -> Result<(), Error> {
    let Some(person) = people::lock(tx, user).await? else {
        return Ok(());
    };
    let Some(before) = inbox::find(tx, user, id).await? else {
        return Ok(());
    };
    if before.snoozed_until != Some(until) {
        return Ok(());
    }
    let after = ItemRow {
        is_read: false,
        snoozed_until: None,
        ..before.clone()
    };
    replace(tx, (user, person.unread_count), &before, &after).await
}

/// Marks all as read that a person has in sight.
pub(crate) async fn read_all(ctx: &Ctx, user: UserId) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    let person = people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    inbox::read_all(&mut tx, user).await?;
    people::count(&mut tx, user, 0, -person.unread_count).await?;
    changed(&mut tx, user, 0).await?;
    Ok(tx.commit().await?)
}

/// Counts one more of a locked person, which was just written, and deletes those that are too many: the oldest of those that are not
/// critical. Critical ones go only beyond half of what an inbox holds, so that no flood of others takes a warning away, and no flood of
/// warnings all the rest. How many are unread now.
pub(crate) async fn make_room(
    tx: &mut Tx,
    user: UserId,
    person: &Person,
    (max, is_critical): (u32, bool),
) -> Result<i64, Error> {
    let mut gone = match is_critical {
        true => inbox::delete_critical_beyond(tx, user, i64::from(max.div_ceil(2))).await?,
        false => Vec::new(),
    };
    let over = person.inbox_count + 1 - i64::from(max) - rows(&gone);
    if over > 0 {
        let others = inbox::delete_oldest_ordinary(tx, user, over).await?;
        let left = over - rows(&others);
        gone.extend(others);
        // There are none but critical ones, as when the bound was made smaller.
        if left > 0 {
            gone.extend(inbox::delete_oldest(tx, user, left).await?);
        }
    }
    let unread = 1 - counted(&gone);
    people::count(tx, user, 1 - rows(&gone), unread).await?;
    Ok(person.unread_count + unread)
}

/// How many items there are.
fn rows(items: &[ItemRow]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

/// How many of them are unread and in sight.
fn counted(items: &[ItemRow]) -> i64 {
    items.iter().map(|item| i64::from(item.counts())).sum()
}

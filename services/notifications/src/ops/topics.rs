//! Following topics.

use stoa_kernel::UserId;

use crate::{
    ctx::Ctx,
    error::Error,
    store::{followers, people},
};

/// Longest name of a topic, in characters.
pub(crate) const TOPIC_MAX: usize = 100;

/// Whether a topic can have this name.
pub(crate) fn is_topic(name: &str) -> bool {
    let plain =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-' | b':');
    (1..=TOPIC_MAX).contains(&name.len()) && name.bytes().all(plain)
}

/// Has a person follow a topic. Once more does nothing.
pub(crate) async fn follow(ctx: &Ctx, user: UserId, topic: &str) -> Result<(), Error> {
    if !is_topic(topic) {
        let message = format!("A topic is 1 to {TOPIC_MAX} characters of a-z, 0-9, _, ., : and -");
        return Err(Error::Field("topic", "format", message));
    }
    let max = ctx.config.topics_max;
    let mut tx = ctx.db.begin().await?;
    people::lock(&mut tx, user).await?.ok_or(Error::Erased)?;
    if followers::insert(&mut tx, topic, user).await?
        && followers::count(&mut tx, user, max + 1).await? > i64::from(max)
    {
        return Err(Error::TopicsFull(max));
    }
    Ok(tx.commit().await?)
}

/// Has a person follow a topic no longer. Once more does nothing.
pub(crate) async fn unfollow(ctx: &Ctx, user: UserId, topic: &str) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    followers::delete(&mut tx, topic, user).await?;
    Ok(tx.commit().await?)
}

//! Everything that users holds on a person, read piece by piece.

use bytes::Bytes;
use futures::{Stream, stream};
use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_kernel::{Actor, UserId};
use stoa_objects::ObjectError;
use stoa_pictures::PictureError;

use super::profile;
use crate::{
    ctx::Ctx,
    error::Error,
    store::{self, activity::ActivityRow, preferences::PreferenceRow, profiles::ProfileRow},
};

/// Entries of the activity log read at once.
const BATCH: u32 = 500;

/// All but the activity log.
pub(crate) struct Held {
    pub(crate) profile: ProfileRow,
    pub(crate) preferences: Vec<PreferenceRow>,
    /// A PNG.
    pub(crate) picture: Option<Bytes>,
}

/// Writes down that the person asked for it, and reads all but the activity log.
pub(crate) async fn export(ctx: &Ctx, actor: &Actor) -> Result<Held, Error> {
    let user = actor.user_id;
    let profile = profile::own(ctx, user).await?;
    note(ctx, actor).await?;
    Ok(Held {
        preferences: store::preferences::list(&ctx.db, user).await?,
        picture: picture(ctx, user, profile.avatar.as_deref()).await?,
        profile,
    })
}

/// The person's activity log, newest first, in batches that are not empty.
pub(crate) fn activity(
    ctx: &Ctx,
    user: UserId,
) -> impl Stream<Item = Result<Vec<ActivityRow>, Error>> + use<> {
    stream::try_unfold((ctx.clone(), None), move |(ctx, before)| async move {
        let rows = store::activity::before(&ctx.db, user, before, BATCH).await?;
        let last = rows.last().map(|row| row.id);
        Ok(last.map(|last| (rows, (ctx, Some(last)))))
    })
}

async fn note(ctx: &Ctx, actor: &Actor) -> Result<(), Error> {
    let mut tx = ctx.db.begin().await?;
    store::activity::insert(
        &mut tx,
        actor.user_id,
        Some(actor.user_id),
        "profile.export",
        &json!({}),
    )
    .await?;
    tx.audit(&Entry::by(
        actor,
        "profile.export",
        "profile",
        Some(actor.user_id.uuid()),
    ))
    .await?;
    tx.commit().await?;
    Ok(())
}

async fn picture(ctx: &Ctx, user: UserId, file: Option<&str>) -> Result<Option<Bytes>, Error> {
    let Some(file) = file else { return Ok(None) };
    match ctx.avatars.read(user, file).await {
        Ok(bytes) => Ok(Some(bytes)),
        // Replaced in this very moment.
        Err(PictureError::Object(ObjectError::NotFound)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

//! Everything that users holds on a person, as one JSON text, written while it is read.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{Stream, stream};
use serde::Serialize;
use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_kernel::{Actor, Timestamp, UserId};
use stoa_objects::ObjectError;

use super::{avatar, profile};
use crate::{
    ctx::Ctx,
    error::Error,
    store::{self, activity::ActivityId},
    view::{Activity, Preference, Profile},
};

/// Entries of the activity log read at once.
const BATCH: u32 = 500;

/// The part of an export that is not written piece by piece.
#[derive(Serialize)]
struct Head {
    exported_at: Timestamp,
    profile: Profile,
    preferences: Vec<Preference>,
    avatar: Option<Picture>,
}

#[derive(Serialize)]
struct Picture {
    media_type: &'static str,
    base64: String,
}

/// Writes down that the person asked for it, and begins.
pub(crate) async fn export(
    ctx: &Ctx,
    actor: &Actor,
) -> Result<impl Stream<Item = Result<Bytes, Error>> + use<>, Error> {
    let user = actor.user_id;
    let row = profile::own(ctx, user).await?;
    note(ctx, actor).await?;
    let preferences = store::preferences::list(&ctx.db, user).await?;
    let head = Head {
        exported_at: ctx.clock.now(),
        avatar: picture(ctx, user, row.avatar.as_deref()).await?,
        profile: row.into(),
        preferences: preferences
            .into_iter()
            .map(Preference::try_from)
            .collect::<Result<_, _>>()?,
    };
    let mut first = to_json(&head)?;
    first.pop();
    first.extend_from_slice(b",\"activity\":[");
    let state = Writing {
        ctx: ctx.clone(),
        user,
        next: Next::Head(first.into()),
    };
    Ok(stream::unfold(state, Writing::step))
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

async fn picture(ctx: &Ctx, user: UserId, file: Option<&str>) -> Result<Option<Picture>, Error> {
    let Some(file) = file else { return Ok(None) };
    match ctx.objects.get(&avatar::object_key(user, file)).await {
        Ok(bytes) => Ok(Some(Picture {
            media_type: "image/png",
            base64: STANDARD.encode(bytes),
        })),
        // Replaced in this very moment.
        Err(ObjectError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

struct Writing {
    ctx: Ctx,
    user: UserId,
    next: Next,
}

enum Next {
    Head(Bytes),
    Activity { before: Option<ActivityId> },
    Nothing,
}

impl Writing {
    async fn step(mut self) -> Option<(Result<Bytes, Error>, Self)> {
        let piece = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Head(head) => {
                self.next = Next::Activity { before: None };
                Ok(head)
            }
            Next::Activity { before } => self.activity(before).await,
            Next::Nothing => return None,
        };
        Some((piece, self))
    }

    async fn activity(&mut self, before: Option<ActivityId>) -> Result<Bytes, Error> {
        let rows = store::activity::before(&self.ctx.db, self.user, before, BATCH).await?;
        let last = rows.last().map(|row| row.id);
        let mut piece = Vec::new();
        for (at, row) in rows.into_iter().enumerate() {
            if at > 0 || before.is_some() {
                piece.push(b',');
            }
            piece.extend(to_json(&Activity::from(row))?);
        }
        match last {
            Some(last) => self.next = Next::Activity { before: Some(last) },
            None => piece.extend_from_slice(b"]}"),
        }
        Ok(piece.into())
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::Internal(format!("an export cannot be written: {error}")))
}

//! Setting and deleting one's avatar.
//!
//! The bytes are stored before the transaction that names them, and deleted after the one that no longer does. A note in
//! `pending_avatars`, committed before the bytes are stored and taken back with the change, lets [`sweep`] find those whose
//! change never came. A file's name is never used twice, so nothing deletes what somebody has just stored.

use std::time::Duration;
use stoa_audit::{Entry, TxExt as _};

use bytes::Bytes;
use image::ImageFormat;
use serde_json::json;
use sha2::{Digest, Sha256};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Timestamp, UserId, random};
use tokio::sync::OwnedSemaphorePermit;

use super::{picture, profile};
use crate::{
    ctx::Ctx,
    error::Error,
    events::{AvatarChanged, ProfileUpdated},
    jobs::RemoveAvatar,
    store::{self, profiles::ProfileRow},
};

/// How long an upload waits for its turn to be decoded.
const DECODE_WAIT: Duration = Duration::from_secs(10);
/// A stored file that is not named after this time never will be.
const ABANDONED: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// Files swept between two looks at the table.
const BATCH: u32 = 100;

/// Where a person's avatars are stored.
pub(crate) fn folder(user: UserId) -> String {
    format!("users/avatars/{user}")
}

/// Where an avatar is stored.
pub(crate) fn object_key(user: UserId, file: &str) -> String {
    format!("{}/{file}", folder(user))
}

/// Where an avatar is offered.
pub(crate) fn url(user: UserId, file: &str) -> String {
    format!("/api/v1/users/{user}/avatar/{file}")
}

/// Whether a text is the name of an avatar's file.
pub(crate) fn is_file(name: &str) -> bool {
    name.strip_suffix(".png").is_some_and(|hash| {
        hash.len() == 64
            && hash
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// Makes the picture the person's avatar.
pub(crate) async fn set(
    ctx: &Ctx,
    actor: &Actor,
    format: ImageFormat,
    bytes: Bytes,
) -> Result<ProfileRow, Error> {
    let seen = profile::own(ctx, actor.user_id).await?;
    let png = decode(ctx, format, bytes).await?;
    let file = name_of(&png);
    store::avatars::announce(&ctx.db, actor.user_id, &file, ctx.clock.now()).await?;
    ctx.objects.put(&object_key(actor.user_id, &file), png).await?;
    let mut tx = ctx.db.begin().await?;
    if !store::avatars::arrived(&mut tx, &file).await? {
        tx.rollback().await;
        remove_object(ctx, actor.user_id, &file).await?;
        return Err(Error::Busy("the avatar took too long to store"));
    }
    let row = change(&mut tx, actor, seen, Some(file)).await?;
    tx.commit().await?;
    Ok(row)
}

/// Deletes the person's avatar; fine if there is none.
pub(crate) async fn delete(ctx: &Ctx, actor: &Actor) -> Result<(), Error> {
    let seen = profile::own(ctx, actor.user_id).await?;
    let mut tx = ctx.db.begin().await?;
    change(&mut tx, actor, seen, None).await?;
    tx.commit().await?;
    Ok(())
}

/// As many at once as there are permits and there is memory for, on a thread of their own.
async fn decode(ctx: &Ctx, format: ImageFormat, bytes: Bytes) -> Result<Bytes, Error> {
    let (max_side, size) = (ctx.config.avatar_max_pixels, ctx.config.avatar_size);
    let cost = picture::cost(&bytes, format, max_side)?;
    let Ok(permits) = tokio::time::timeout(DECODE_WAIT, permits(ctx, cost)).await else {
        return Err(Error::Busy("too many pictures are waiting to be decoded"));
    };
    let permits = permits?;
    let decoded = tokio::task::spawn_blocking(move || {
        // Held until it is done, also when the caller has gone.
        let _permits = permits;
        picture::square(&bytes, format, max_side, size)
    });
    let png = decoded
        .await
        .map_err(|error| Error::Internal(format!("decoding an avatar ended early: {error}")))??;
    Ok(png.into())
}

/// The turn of a picture that needs `cost` bytes: a thread, and memory.
async fn permits(ctx: &Ctx, cost: u64) -> Result<[OwnedSemaphorePermit; 2], Error> {
    let closed = |_| Error::Busy("pictures are no longer decoded");
    let thread = ctx.decoders.clone().acquire_owned().await.map_err(closed)?;
    let all = (ctx.config.avatar_memory_bytes / 1024).max(1);
    let needed = usize::try_from(cost / 1024).unwrap_or(all).min(all);
    let needed = u32::try_from(needed).unwrap_or(u32::MAX);
    let memory = ctx.decoder_memory.clone().acquire_many_owned(needed).await;
    Ok([thread, memory.map_err(closed)?])
}

/// A hash over the bytes and something random: nobody finds an avatar by knowing the picture, and two uploads of one
/// picture are two files.
fn name_of(png: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(random::bytes::<32>());
    hash.update(png);
    format!("{}.png", hex::encode(hash.finalize()))
}

/// Names `file` as the avatar in the profile, which was `seen` before, with all that follows. Nothing is written when there was and is
/// none.
async fn change(
    tx: &mut Tx,
    actor: &Actor,
    mut seen: ProfileRow,
    file: Option<String>,
) -> Result<ProfileRow, Error> {
    let now = tx.clock().now();
    let row = loop {
        if seen.avatar == file {
            return Ok(seen);
        }
        let row = ProfileRow {
            avatar: file.clone(),
            version: seen.version + 1,
            updated_at: now,
            ..seen.clone()
        };
        if store::profiles::save(tx, &row, seen.version).await? {
            break row;
        }
        seen = profile::find(tx, actor.user_id).await?;
    };
    if let Some(file) = seen.avatar {
        tx.enqueue(&RemoveAvatar {
            user_id: actor.user_id,
            file,
        })
        .await?;
    }
    let action = if file.is_some() {
        "avatar.set"
    } else {
        "avatar.delete"
    };
    store::activity::insert(tx, actor.user_id, Some(actor.user_id), action, &json!({})).await?;
    let avatar_url = file.map(|file| url(actor.user_id, &file));
    tx.emit(&AvatarChanged {
        user_id: actor.user_id,
        avatar_url,
    })
    .await?;
    let fields = vec!["avatar_url".to_owned()];
    tx.emit(&ProfileUpdated {
        user_id: actor.user_id,
        version: row.version,
        fields,
    })
    .await?;
    tx.audit(&Entry::by(actor, action, "profile", Some(actor.user_id.uuid())))
        .await?;
    Ok(row)
}

/// Deletes an avatar's bytes.
pub(crate) async fn remove_object(ctx: &Ctx, user: UserId, file: &str) -> Result<(), Error> {
    Ok(ctx.objects.delete(&object_key(user, file)).await?)
}

/// Deletes what was stored for changes that never were committed.
pub(crate) async fn sweep(ctx: &Ctx) -> Result<(), Error> {
    let before = ctx
        .db
        .steady_now()
        .await
        .checked_sub(ABANDONED)
        .unwrap_or(Timestamp::MIN);
    loop {
        let stale = store::avatars::stale(&ctx.db, before, BATCH).await?;
        for one in &stale {
            store::avatars::give_up(&ctx.db, &one.file).await?;
            remove_object(ctx, one.user_id, &one.file).await?;
            store::avatars::forget(&ctx.db, &one.file).await?;
        }
        if stale.is_empty() {
            return Ok(());
        }
    }
}

//! Setting and deleting one's avatar.

use bytes::Bytes;
use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, UserId};

use super::profile;
use crate::{
    ctx::Ctx,
    error::Error,
    events::{AvatarChanged, ProfileUpdated},
    jobs::RemoveAvatar,
    store::{self, profiles::ProfileRow},
};

/// Where an avatar is offered.
pub(crate) fn url(user: UserId, file: &str) -> String {
    format!("/api/v1/users/{user}/avatar/{file}")
}

/// Makes the picture the person's avatar.
pub(crate) async fn set(ctx: &Ctx, actor: &Actor, bytes: Bytes) -> Result<ProfileRow, Error> {
    let user = actor.user_id;
    let seen = profile::own(ctx, user).await?;
    let file = ctx.avatars.store(&ctx.db, actor, user, bytes).await?;
    let mut tx = ctx.avatars.arrived(ctx.db.begin().await?, user, &file).await?;
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

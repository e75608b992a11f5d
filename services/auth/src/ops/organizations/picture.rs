//! Pictures of organizations.

use bytes::Bytes;
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, OrganizationId, OrganizationRole, codes};

use super::{Standing, hold, lifecycle::updated, standing};
use crate::{
    ctx::Ctx,
    error::Result,
    jobs::RemovePicture,
    store::organizations::{self as store, Organization},
};

/// The least role that changes the picture.
const LEAST: OrganizationRole = OrganizationRole::Admin;

impl Organization {
    /// Where its picture is offered.
    pub(crate) fn picture_url(&self) -> Option<String> {
        let file = self.picture.as_ref()?;
        Some(format!("/api/v1/auth/organizations/{}/picture/{file}", self.id))
    }
}

/// Refuses those who may not change the picture, before it is read.
pub(crate) async fn may_change(ctx: &Ctx, actor: &Actor, id: OrganizationId) -> Result<()> {
    standing(ctx, actor, id).await?.at_least(LEAST).map(drop)
}

/// A picture of an organization that is not deleted. One that is keeps its pictures for the case that it is restored.
pub(crate) async fn read(ctx: &Ctx, id: OrganizationId, file: &str) -> Result<Bytes> {
    let organization = store::find(&ctx.db, id).await?;
    if organization.is_none_or(|organization| organization.purge_at.is_some()) {
        return Err(codes::NOT_FOUND.into());
    }
    Ok(ctx.pictures.read(id, file).await?)
}

/// Makes the picture that of the organization.
pub(crate) async fn set(ctx: &Ctx, actor: &Actor, id: OrganizationId, bytes: Bytes) -> Result<Standing> {
    let file = ctx.pictures.store(&ctx.db, actor, id, bytes).await?;
    let mut tx = ctx.pictures.arrived(ctx.db.begin().await?, id, &file).await?;
    let before = hold(&mut tx, actor.user_id, id, LEAST).await?;
    let after = change(&mut tx, actor, before, Some(&file)).await?;
    tx.commit().await?;
    Ok(after)
}

/// Deletes the picture of an organization; fine if there is none.
pub(crate) async fn delete(ctx: &Ctx, actor: &Actor, id: OrganizationId) -> Result<Standing> {
    let mut tx = ctx.db.begin().await?;
    let before = hold(&mut tx, actor.user_id, id, LEAST).await?;
    if before.organization.picture.is_none() {
        tx.rollback().await;
        return Ok(before);
    }
    let after = change(&mut tx, actor, before, None).await?;
    tx.commit().await?;
    Ok(after)
}

/// Names `file` as the picture of an organization that is held, with all that follows.
async fn change(tx: &mut Tx, actor: &Actor, before: Standing, file: Option<&str>) -> Result<Standing> {
    let id = before.organization.id;
    let organization = store::set_picture(tx, id, file).await?;
    if let Some(file) = before.organization.picture {
        let organization_id = id;
        tx.enqueue(&RemovePicture {
            organization_id,
            file,
        })
        .await?;
    }
    let action = if file.is_some() {
        "picture.set"
    } else {
        "picture.delete"
    };
    updated(tx, actor, action, &organization).await?;
    Ok(Standing {
        organization,
        role: before.role,
    })
}

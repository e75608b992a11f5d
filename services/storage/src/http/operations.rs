//! What is done to whole folders.

use axum::{extract::State, http::StatusCode};
use garde::Validate;
use serde::{Deserialize, Serialize};
use stoa_http::{Actor, Failure, Json, Path, Result};
use stoa_kernel::{Id, Timestamp};
use utoipa::ToSchema;

use super::{
    begun::Begun,
    buckets::reached,
    scopes::{ObjectsRead, ObjectsWrite},
};
use crate::{
    ctx::Ctx,
    error::Error,
    ids::OperationId,
    ops::{
        operations as ops,
        reach::{self, Reach},
    },
    path,
    store::{
        buckets,
        operations::{self, OperationRow},
    },
};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StorageOperationKind {
    Delete,
    Copy,
    Move,
}

impl StorageOperationKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Copy => "copy",
            Self::Move => "move",
        }
    }
}

/// What is to be done to all objects whose paths begin with a prefix.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StorageBeginOperation {
    #[garde(skip)]
    kind: StorageOperationKind,
    /// What their paths begin with, such as `photos/2026/`; empty for all in the bucket.
    #[garde(skip)]
    prefix: String,
    /// Name of the bucket that they go to; the same, if absent.
    #[garde(skip)]
    to_bucket: Option<String>,
    /// What their paths begin with there, in place of `prefix`.
    #[garde(skip)]
    to_prefix: Option<String>,
    /// Whether what is deleted cannot be restored.
    #[garde(skip)]
    #[serde(default)]
    forever: bool,
    /// Whether what is there already is replaced; else it stays, and the object stays where it is.
    #[garde(skip)]
    #[serde(default)]
    overwrite: bool,
}

/// Something that is being done to all objects under a prefix, or was.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StorageOperation {
    #[schema(value_type = String, format = Uuid)]
    id: OperationId,
    #[schema(value_type = StorageOperationKind)]
    kind: String,
    prefix: String,
    #[schema(required)]
    to_prefix: Option<String>,
    /// Objects to which it was done so far.
    done: i64,
    /// Objects that were left as they are: something was at their target, or they were changed meanwhile.
    skipped: i64,
    created_at: Timestamp,
    /// When it came to its end; null while it goes on.
    #[schema(required)]
    finished_at: Option<Timestamp>,
    /// Why it ended early; what was done by then stays done. Null if it did not.
    #[schema(required)]
    failure: Option<String>,
}

impl From<OperationRow> for StorageOperation {
    fn from(row: OperationRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            prefix: row.prefix,
            to_prefix: row.to_prefix,
            done: row.done,
            skipped: row.skipped,
            created_at: row.created_at,
            finished_at: row.finished_at,
            failure: row.failure,
        }
    }
}

/// Delete, copy or move a folder.
///
/// All objects whose paths begin with `prefix`, as far as they are there by now. It goes on after the answer: look at the operation
/// for how far it has come. One at a time in a bucket that is changed (of a copy, that which it goes to): `409 operation_in_progress`.
#[utoipa::path(
    post, path = "/api/v1/storage/buckets/{bucket}/operations", tags = ["storage"], operation_id = "storage_begin_operation",
    params(("bucket" = String, Path, description = "Its name")),
    request_body = StorageBeginOperation,
    responses((status = 202, description = "It has begun", body = StorageOperation))
)]
pub(super) async fn begin(
    actor: Actor<ObjectsWrite>,
    Begun(begun): Begun,
    State(ctx): State<Ctx>,
    Path(name): Path<String>,
    Json(body): Json<StorageBeginOperation>,
) -> Result<(StatusCode, Json<StorageOperation>)> {
    let action = match body.kind {
        StorageOperationKind::Copy => ObjectsRead::ACTION,
        StorageOperationKind::Delete | StorageOperationKind::Move => ObjectsWrite::ACTION,
    };
    let bucket = reached(&ctx, &actor, &name, action).await?;
    let field = |name: &'static str| move |wrong| Failure::invalid(name, "invalid", wrong);
    let prefix = path::prefix(&body.prefix).map_err(field("prefix"))?;
    let to = match (body.kind, &body.to_prefix) {
        (StorageOperationKind::Delete, None) if body.to_bucket.is_none() => None,
        (StorageOperationKind::Delete, _) => {
            return Err(Failure::invalid(
                "to_prefix",
                "invalid",
                "What is deleted goes nowhere",
            ));
        }
        (_, None) => {
            return Err(Failure::invalid(
                "to_prefix",
                "missing_field",
                "This field is required",
            ));
        }
        (_, Some(to)) => {
            let to_bucket = body.to_bucket.as_deref().unwrap_or(&bucket.name);
            let to_bucket = reached(&ctx, &actor, to_bucket, ObjectsWrite::ACTION).await?;
            Some((to_bucket.id, path::prefix(to).map_err(field("to_prefix"))?))
        }
    };
    if let Some((id, to)) = &to
        && *id == bucket.id
        && (to.starts_with(&prefix) || prefix.starts_with(to.as_str()))
    {
        return Err(Failure::invalid(
            "to_prefix",
            "invalid",
            "One lies within the other",
        ));
    }
    let (to_bucket_id, to_prefix) = to.unzip();
    let row = OperationRow {
        id: Id::new(&ctx.clock),
        bucket_id: bucket.id,
        kind: body.kind.name().to_owned(),
        position: prefix.as_bytes().to_vec(),
        prefix,
        to_bucket_id,
        to_prefix,
        forever: body.forever,
        overwrite: body.overwrite,
        done: 0,
        skipped: 0,
        failure: None,
        created_at: begun,
        finished_at: None,
        made_by: Some(actor.user_id),
        // Who only reads what is copied takes no place there.
        place_id: match body.kind {
            StorageOperationKind::Copy => to_bucket_id,
            StorageOperationKind::Delete | StorageOperationKind::Move => Some(bucket.id),
        },
    };
    ops::begin(&ctx, &actor, &bucket, (&row, begun)).await?;
    Ok((StatusCode::ACCEPTED, Json(row.into())))
}

/// How far an operation has come.
///
/// It is known for seven days after its end.
#[utoipa::path(
    get, path = "/api/v1/storage/operations/{operation_id}", tags = ["storage"], operation_id = "storage_read_operation",
    params(("operation_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The operation", body = StorageOperation))
)]
pub(super) async fn read(
    actor: Actor<ObjectsWrite>,
    State(ctx): State<Ctx>,
    Path(id): Path<OperationId>,
) -> Result<Json<StorageOperation>> {
    let row = operations::get(&ctx.db, id).await?.ok_or(Error::NotFound)?;
    let place = row.place_id.unwrap_or(row.bucket_id);
    let bucket = buckets::by_id(&ctx.db, place).await?.ok_or(Error::NotFound)?;
    match reach::into(&ctx, &actor, ObjectsWrite::ACTION, &bucket).await? {
        Reach::Bucket => Ok(Json(row.into())),
        Reach::Granted => Err(Error::NotFound.into()),
    }
}

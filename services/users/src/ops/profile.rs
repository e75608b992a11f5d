//! One's own profile: read, made when it is missing, changed.

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_db::Tx;
use stoa_events::TxExt as _;
use stoa_kernel::{Actor, Expected, UserId};

use super::names::fitted;
use crate::{
    ctx::Ctx,
    error::Error,
    events::{ProfileCreated, ProfileUpdated},
    store::{self, profiles::ProfileRow},
};

/// The person's own profile. One point read; only when the profile is not there yet, ahead of `user.registered`, it is made, with the
/// names that auth knows.
pub(crate) async fn own(ctx: &Ctx, user: UserId) -> Result<ProfileRow, Error> {
    if let Some(row) = store::profiles::get(&ctx.db, user).await? {
        return Ok(row);
    }
    let names = ctx.registrations.names(user).await?;
    let mut tx = ctx.db.begin().await?;
    let mut row = ProfileRow::new(tx.new_id(), user, tx.clock().now());
    if let Some(names) = names {
        register(&mut row, names.first_name.as_deref(), names.last_name.as_deref());
    }
    if !make(&mut tx, &row).await? {
        // Somebody else made it while we asked.
        row = find(&mut tx, user).await?;
    }
    tx.commit().await?;
    Ok(row)
}

/// Takes over the names of the registration, which is known then.
pub(crate) fn register(row: &mut ProfileRow, first_name: Option<&str>, last_name: Option<&str>) {
    row.first_name = fitted(first_name);
    row.last_name = fitted(last_name);
    row.registered = true;
}

/// The profile of a person who had one before the transaction.
///
/// # Errors
/// [`Error::Erased`] when it is gone.
pub(crate) async fn find(tx: &mut Tx, user: UserId) -> Result<ProfileRow, Error> {
    store::profiles::find(tx, user).await?.ok_or(Error::Erased)
}

/// Makes this profile with all that follows from it; false if the person has one.
///
/// # Errors
/// [`Error::Erased`] when the person was erased; then nothing of the transaction may be kept.
pub(crate) async fn make(tx: &mut Tx, row: &ProfileRow) -> Result<bool, Error> {
    if !store::profiles::insert(tx, row).await? {
        return Ok(false);
    }
    if store::erased::contains(tx, row.user_id).await? {
        return Err(Error::Erased);
    }
    tx.emit(&ProfileCreated { user_id: row.user_id }).await?;
    tx.audit(&Entry::new(
        None,
        "profile.create",
        "profile",
        Some(row.user_id.uuid()),
    ))
    .await?;
    Ok(true)
}

/// A field that is to be changed (`Some`), perhaps to nothing (`Some(None)`), or left as it is (`None`).
pub(crate) type Change = Option<Option<String>>;

/// What is to be changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) first_name: Change,
    pub(crate) last_name: Change,
    pub(crate) bio: Change,
}

impl Patch {
    /// Changes `row`; returns the names of the fields that are different now.
    fn apply(&self, row: &mut ProfileRow) -> Vec<String> {
        let fields = [
            ("first_name", &self.first_name, &mut row.first_name),
            ("last_name", &self.last_name, &mut row.last_name),
            ("bio", &self.bio, &mut row.bio),
        ];
        let mut changed = Vec::new();
        for (name, change, value) in fields {
            if let Some(wanted) = change
                && wanted != value
            {
                value.clone_from(wanted);
                changed.push(name.to_owned());
            }
        }
        changed
    }
}

/// Changes one's own profile, if it still has the version that is expected. Nothing is written when nothing changes.
pub(crate) async fn update(
    ctx: &Ctx,
    actor: &Actor,
    patch: &Patch,
    expected: &Expected,
) -> Result<ProfileRow, Error> {
    let mut seen = own(ctx, actor.user_id).await?;
    let mut tx = ctx.db.begin().await?;
    let (row, fields) = loop {
        if !expected.allows(seen.version) {
            return Err(Error::VersionChanged);
        }
        let mut row = seen.clone();
        let fields = patch.apply(&mut row);
        if fields.is_empty() {
            return Ok(row);
        }
        row.version += 1;
        row.updated_at = ctx.clock.now();
        if store::profiles::save(&mut tx, &row, seen.version).await? {
            break (row, fields);
        }
        seen = find(&mut tx, actor.user_id).await?;
    };
    let detail = json!({ "fields": fields });
    store::activity::insert(
        &mut tx,
        actor.user_id,
        Some(actor.user_id),
        "profile.update",
        &detail,
    )
    .await?;
    tx.emit(&ProfileUpdated {
        user_id: actor.user_id,
        version: row.version,
        fields,
    })
    .await?;
    tx.audit(&Entry::by(actor, "profile.update", "profile", Some(actor.user_id.uuid())).detail(detail))
        .await?;
    tx.commit().await?;
    Ok(row)
}

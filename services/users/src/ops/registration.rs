//! What follows from `user.registered`.

use serde_json::json;
use stoa_audit::{Entry, TxExt as _};
use stoa_auth_api::events::UserRegistered;
use stoa_db::Tx;
use stoa_events::TxExt as _;

use super::profile::{find, make, register};
use crate::{
    error::Error,
    events::ProfileUpdated,
    store::{self, profiles::ProfileRow},
};

/// Makes the person's profile. If a request did so before, the names that are still unset are filled in, once.
///
/// # Errors
/// [`Error::Erased`] when the person was erased; then nothing of the transaction may be kept.
pub(crate) async fn registered(tx: &mut Tx, event: &UserRegistered) -> Result<(), Error> {
    let mut row = ProfileRow::new(tx.new_id(), event.user_id, tx.clock().now());
    register(&mut row, event.first_name.as_deref(), event.last_name.as_deref());
    if make(tx, &row).await? {
        return Ok(());
    }
    loop {
        let seen = find(tx, event.user_id).await?;
        if seen.registered {
            return Ok(());
        }
        let (named, fields) = filled(&seen, &row);
        if store::profiles::save(tx, &named, seen.version).await? {
            if fields.is_empty() {
                return Ok(());
            }
            tx.audit(
                &Entry::new(None, "profile.update", "profile", Some(event.user_id.uuid()))
                    .detail(json!({ "fields": fields })),
            )
            .await?;
            tx.emit(&ProfileUpdated {
                user_id: event.user_id,
                version: named.version,
                fields,
            })
            .await?;
            return Ok(());
        }
    }
}

/// `seen` with the names that it lacks and `registered` has, and which those are.
fn filled(seen: &ProfileRow, registered: &ProfileRow) -> (ProfileRow, Vec<String>) {
    let mut row = ProfileRow {
        registered: true,
        ..seen.clone()
    };
    let mut fields = Vec::new();
    if row.first_name.is_none() && registered.first_name.is_some() {
        row.first_name.clone_from(&registered.first_name);
        fields.push("first_name".to_owned());
    }
    if row.last_name.is_none() && registered.last_name.is_some() {
        row.last_name.clone_from(&registered.last_name);
        fields.push("last_name".to_owned());
    }
    if !fields.is_empty() {
        row.version += 1;
        row.updated_at = registered.updated_at;
    }
    (row, fields)
}

//! The lock of each owner, and what became of them. Making an endpoint and erasing its owner both begin here, so one waits for the other.

use stoa_db::{Db, Error, Tx};

use crate::owner::EndpointOwner;

/// Locks the owner until the transaction ends. False if they were erased.
pub(crate) async fn lock(tx: &mut Tx, owner: EndpointOwner) -> Result<bool, Error> {
    let sql = "INSERT INTO owners (kind, id, is_erased, is_suspended) VALUES ($1, $2, FALSE, FALSE) \
               ON CONFLICT (kind, id) DO UPDATE SET is_erased = FALSE WHERE NOT owners.is_erased";
    Ok(tx.execute(sql, &[&owner.kind(), &owner.uuid()]).await? > 0)
}

/// Locks the owner, and notes that they were erased.
pub(crate) async fn erase(tx: &mut Tx, owner: EndpointOwner) -> Result<(), Error> {
    let sql = "INSERT INTO owners (kind, id, is_erased, is_suspended) VALUES ($1, $2, TRUE, FALSE) \
               ON CONFLICT (kind, id) DO UPDATE SET is_erased = TRUE";
    tx.execute(sql, &[&owner.kind(), &owner.uuid()]).await.map(drop)
}

/// From now on nothing is sent to the owner's endpoints, or something again.
pub(crate) async fn suspend(tx: &mut Tx, owner: EndpointOwner, suspended: bool) -> Result<(), Error> {
    let sql = "UPDATE owners SET is_suspended = $3 WHERE kind = $1 AND id = $2";
    let params: [&dyn stoa_db::ToValue; 3] = [&owner.kind(), &owner.uuid(), &suspended];
    tx.execute(sql, &params).await.map(drop)
}

/// Whether nothing is sent to the owner's endpoints for now.
pub(crate) async fn is_suspended(db: &Db, owner: EndpointOwner) -> Result<bool, Error> {
    let sql = "SELECT is_suspended FROM owners WHERE kind = $1 AND id = $2";
    let found: Option<bool> = db.fetch_optional(sql, &[&owner.kind(), &owner.uuid()]).await?;
    Ok(found.unwrap_or(false))
}

//! Organizations.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{OrganizationId, Timestamp};

/// One organization.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Organization {
    pub(crate) id: OrganizationId,
    pub(crate) name: String,
    /// The name of its file.
    pub(crate) picture: Option<String>,
    pub(crate) version: i64,
    pub(crate) access_version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Set: it is deleted, and its rows go after this time.
    pub(crate) purge_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, name, picture, version, access_version, created_at, updated_at, purge_at";

/// A new organization.
pub(crate) async fn insert(tx: &mut Tx, name: &str) -> Result<Organization, Error> {
    let (id, now): (OrganizationId, _) = (tx.new_id(), tx.clock().now());
    let sql = format!(
        "INSERT INTO organizations (id, name, version, access_version, created_at, updated_at) \
         VALUES ($1, $2, 1, 1, $3, $3) RETURNING {COLUMNS}"
    );
    tx.fetch_one(&sql, &[&id, &name, &now]).await
}

/// The organization, deleted or not.
pub(crate) async fn find(db: &Db, id: OrganizationId) -> Result<Option<Organization>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM organizations WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// The organization, locked until the end of the transaction: nobody else changes it, its members, invitations or keys meanwhile.
pub(crate) async fn hold(tx: &mut Tx, id: OrganizationId) -> Result<Option<Organization>, Error> {
    let sql = format!("UPDATE organizations SET version = version WHERE id = $1 RETURNING {COLUMNS}");
    tx.fetch_optional(&sql, &[&id]).await
}

/// Renames an organization that is held.
pub(crate) async fn rename(tx: &mut Tx, id: OrganizationId, name: &str) -> Result<Organization, Error> {
    let now = tx.clock().now();
    let sql = format!(
        "UPDATE organizations SET name = $2, version = version + 1, updated_at = $3 WHERE id = $1 RETURNING {COLUMNS}"
    );
    tx.fetch_one(&sql, &[&id, &name, &now]).await
}

/// Names the picture of an organization that is held.
pub(crate) async fn set_picture(
    tx: &mut Tx,
    id: OrganizationId,
    file: Option<&str>,
) -> Result<Organization, Error> {
    let now = tx.clock().now();
    let sql = format!(
        "UPDATE organizations SET picture = $2, version = version + 1, updated_at = $3 WHERE id = $1 RETURNING {COLUMNS}"
    );
    tx.fetch_one(&sql, &[&id, &file, &now]).await
}

/// Deletes an organization that is held, until `purge_at`, or restores it.
pub(crate) async fn set_purge(
    tx: &mut Tx,
    id: OrganizationId,
    purge_at: Option<Timestamp>,
) -> Result<Organization, Error> {
    let now = tx.clock().now();
    let sql = format!(
        "UPDATE organizations SET purge_at = $2, version = version + 1, access_version = access_version + 1, updated_at = $3 \
         WHERE id = $1 RETURNING {COLUMNS}"
    );
    tx.fetch_one(&sql, &[&id, &purge_at, &now]).await
}

/// Organizations whose time to be restored is over, the longest over first.
pub(crate) async fn to_purge(db: &Db, time: Timestamp, limit: u32) -> Result<Vec<OrganizationId>, Error> {
    let sql = "SELECT id FROM organizations WHERE purge_at IS NOT NULL AND purge_at <= $1 ORDER BY purge_at LIMIT $2";
    db.fetch_all(sql, &[&time, &limit]).await
}

/// The rows of other tables that belong to an organization, by table and key.
const PARTS: [(&str, &str); 5] = [
    ("organization_members", "user_id"),
    ("organization_departures", "user_id"),
    ("invitations", "id"),
    ("organization_domains", "id"),
    ("api_keys", "id"),
];

/// Begins to purge an organization that is held: from now on nobody restores it, whatever their clock says.
pub(crate) async fn begin_purge(tx: &mut Tx, id: OrganizationId) -> Result<(), Error> {
    let sql = "UPDATE organizations SET purge_at = created_at WHERE id = $1";
    tx.execute(sql, &[&id]).await.map(drop)
}

/// Deletes at most `limit` rows of each table of an organization that is purged, and it itself once none is left. True when it is gone.
pub(crate) async fn purge(tx: &mut Tx, id: OrganizationId, limit: u32) -> Result<bool, Error> {
    let mut all = true;
    for (table, key) in PARTS {
        let sql = format!(
            "DELETE FROM {table} WHERE organization_id = $1 AND {key} IN \
             (SELECT {key} FROM {table} WHERE organization_id = $1 LIMIT $2)"
        );
        all &= tx.execute(&sql, &[&id, &limit]).await? < u64::from(limit);
    }
    if all {
        tx.execute("DELETE FROM organizations WHERE id = $1", &[&id])
            .await?;
    }
    Ok(all)
}

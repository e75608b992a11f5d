//! Invitations to organizations.

use stoa_db::{Db, Error, FromRow, List, Tx};
use stoa_kernel::{Id, OrganizationId, OrganizationRole, Page, PageRequest, Timestamp, UserId};

use crate::email::Email;

/// Label of an invitation's id.
pub(crate) enum InvitationTag {}
/// Names an invitation.
pub(crate) type InvitationId = Id<InvitationTag>;

/// One invitation.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Invitation {
    pub(crate) id: InvitationId,
    pub(crate) organization_id: OrganizationId,
    pub(crate) email: String,
    pub(crate) email_key: String,
    pub(crate) role: OrganizationRole,
    pub(crate) invited_by: UserId,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

const COLUMNS: &str = "id, organization_id, email, email_key, role, invited_by, created_at, expires_at";

/// The invitation of an organization to an address, if it has not expired.
pub(crate) async fn to_address(
    tx: &mut Tx,
    organization: OrganizationId,
    email_key: &str,
) -> Result<Option<Invitation>, Error> {
    let now = tx.clock().now();
    let sql = format!(
        "SELECT {COLUMNS} FROM invitations WHERE organization_id = $1 AND email_key = $2 AND expires_at > $3"
    );
    tx.fetch_optional(&sql, &[&organization, &email_key, &now]).await
}

/// Takes away the invitation of an organization to an address.
pub(crate) async fn remove_to_address(
    tx: &mut Tx,
    organization: OrganizationId,
    email_key: &str,
) -> Result<(), Error> {
    let sql = "DELETE FROM invitations WHERE organization_id = $1 AND email_key = $2";
    tx.execute(sql, &[&organization, &email_key]).await.map(drop)
}

/// A new invitation in the place of one to the same address: the link of the former no longer works.
pub(crate) async fn replace(
    tx: &mut Tx,
    organization: OrganizationId,
    email: &Email,
    role: OrganizationRole,
    by: UserId,
    expires_at: Timestamp,
) -> Result<Invitation, Error> {
    remove_to_address(tx, organization, &email.key).await?;
    let (id, now): (InvitationId, _) = (tx.new_id(), tx.clock().now());
    let sql = format!(
        "INSERT INTO invitations ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {COLUMNS}"
    );
    let params: [&dyn stoa_db::ToValue; 8] = [
        &id,
        &organization,
        &email.display,
        &email.key,
        &role,
        &by,
        &now,
        &expires_at,
    ];
    tx.fetch_one(&sql, &params).await
}

/// How many invitations of an organization wait.
pub(crate) async fn count(tx: &mut Tx, organization: OrganizationId) -> Result<i64, Error> {
    let now = tx.clock().now();
    let sql = "SELECT count(*) FROM invitations WHERE organization_id = $1 AND expires_at > $2";
    tx.fetch_one(sql, &[&organization, &now]).await
}

/// The invitation, if it has not expired.
pub(crate) async fn find(db: &Db, id: InvitationId) -> Result<Option<Invitation>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM invitations WHERE id = $1 AND expires_at > $2");
    db.fetch_optional(&sql, &[&id, &db.clock().now()]).await
}

/// Takes the invitation away, and returns it if it had not expired.
pub(crate) async fn take(tx: &mut Tx, id: InvitationId) -> Result<Option<Invitation>, Error> {
    let now = tx.clock().now();
    let sql = format!("DELETE FROM invitations WHERE id = $1 AND expires_at > $2 RETURNING {COLUMNS}");
    tx.fetch_optional(&sql, &[&id, &now]).await
}

/// Takes an invitation of this organization away, and returns the role that it offered; none if there is none such.
pub(crate) async fn remove(
    tx: &mut Tx,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<Option<OrganizationRole>, Error> {
    let sql = "DELETE FROM invitations WHERE id = $1 AND organization_id = $2 RETURNING role";
    tx.fetch_optional(sql, &[&id, &organization]).await
}

/// Invitations that `by` has sent, `limit` of them at most.
pub(crate) async fn sent_by(db: &Db, by: UserId, limit: u32) -> Result<Vec<Invitation>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM invitations WHERE invited_by = $1 LIMIT $2");
    db.fetch_all(&sql, &[&by, &limit]).await
}

/// Takes away the invitations to an organization that `by` has sent.
pub(crate) async fn remove_sent_by(
    tx: &mut Tx,
    organization: OrganizationId,
    by: UserId,
) -> Result<(), Error> {
    let sql = "DELETE FROM invitations WHERE invited_by = $1 AND organization_id = $2";
    tx.execute(sql, &[&by, &organization]).await.map(drop)
}

/// Takes away the invitations to become an owner of an organization that `by` has sent.
pub(crate) async fn remove_of_owners_sent_by(
    tx: &mut Tx,
    organization: OrganizationId,
    by: UserId,
) -> Result<(), Error> {
    let sql = "DELETE FROM invitations WHERE invited_by = $1 AND organization_id = $2 AND role = $3";
    let owner = OrganizationRole::Owner;
    tx.execute(sql, &[&by, &organization, &owner]).await.map(drop)
}

/// Takes away the invitations that `by` has sent, to whichever organization.
pub(crate) async fn remove_all_sent_by(tx: &mut Tx, by: UserId) -> Result<(), Error> {
    tx.execute("DELETE FROM invitations WHERE invited_by = $1", &[&by])
        .await
        .map(drop)
}

/// Takes away the invitations to an address.
pub(crate) async fn remove_to(tx: &mut Tx, email_key: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM invitations WHERE email_key = $1", &[&email_key])
        .await
        .map(drop)
}

/// Invitations of an organization that have not expired, newest first.
pub(crate) async fn list(
    db: &Db,
    organization: OrganizationId,
    page: &PageRequest,
) -> Result<Page<Invitation>, Error> {
    let rows = List::of("invitations", COLUMNS)
        .filter("organization_id = $", organization)
        .filter("expires_at > $", db.clock().now())
        .by_index("invitations_by_organization");
    rows.page(db, page, |row: &Invitation| row.id).await
}

/// Invitations to an address that have not expired, newest first.
pub(crate) async fn list_to(db: &Db, email_key: &str, page: &PageRequest) -> Result<Page<Invitation>, Error> {
    let rows = List::of("invitations", COLUMNS)
        .filter("email_key = $", email_key)
        .filter("expires_at > $", db.clock().now())
        .by_index("invitations_by_email");
    rows.page(db, page, |row: &Invitation| row.id).await
}

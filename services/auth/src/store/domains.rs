//! E-mail domains whose people may join an organization.

use jiff::SignedDuration;
use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{Id, OrganizationId, OrganizationRole, Timestamp, UserId};

/// Label of a domain's id.
pub(crate) enum DomainTag {}
/// Names a domain of an organization.
pub(crate) type DomainId = Id<DomainTag>;

/// How long the link of the mail to a domain works.
pub(crate) const WAITS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One domain of an organization.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Domain {
    pub(crate) id: DomainId,
    pub(crate) organization_id: OrganizationId,
    pub(crate) domain: String,
    pub(crate) role: OrganizationRole,
    pub(crate) claimed_by: UserId,
    pub(crate) created_at: Timestamp,
    pub(crate) verified_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, organization_id, domain, role, claimed_by, created_at, verified_at";

/// A domain that is to be verified; one that waited under this name before is replaced, and those go whose links have expired. None if it is verified already.
pub(crate) async fn claim(
    tx: &mut Tx,
    organization: OrganizationId,
    domain: &str,
    role: OrganizationRole,
    by: UserId,
) -> Result<Option<Domain>, Error> {
    let (id, now): (DomainId, _) = (tx.new_id(), tx.clock().now());
    let stale = now.saturating_sub(WAITS).unwrap_or(now);
    let sql = "DELETE FROM organization_domains \
               WHERE organization_id = $1 AND verified_at IS NULL AND (domain = $2 OR created_at < $3)";
    tx.execute(sql, &[&organization, &domain, &stale]).await?;
    let sql = format!(
        "INSERT INTO organization_domains (id, organization_id, domain, role, claimed_by, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (organization_id, domain) DO NOTHING RETURNING {COLUMNS}"
    );
    tx.fetch_optional(&sql, &[&id, &organization, &domain, &role, &by, &now])
        .await
}

/// How many domains an organization has or wants to have.
pub(crate) async fn count(tx: &mut Tx, organization: OrganizationId) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM organization_domains WHERE organization_id = $1";
    tx.fetch_one(sql, &[&organization]).await
}

/// The domain of this id.
pub(crate) async fn find(db: &Db, id: DomainId) -> Result<Option<Domain>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM organization_domains WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

/// An administrator of the domain has allowed it; none if the domain is gone.
pub(crate) async fn verify(tx: &mut Tx, id: DomainId) -> Result<Option<Domain>, Error> {
    let now = tx.clock().now();
    let sql = format!(
        "UPDATE organization_domains SET verified_at = COALESCE(verified_at, $2) WHERE id = $1 RETURNING {COLUMNS}"
    );
    tx.fetch_optional(&sql, &[&id, &now]).await
}

/// Takes away the domains of an organization that `by` has claimed and nobody has verified yet.
pub(crate) async fn remove_waiting_of(
    tx: &mut Tx,
    organization: OrganizationId,
    by: UserId,
) -> Result<(), Error> {
    let sql = "DELETE FROM organization_domains \
               WHERE organization_id = $1 AND claimed_by = $2 AND verified_at IS NULL";
    tx.execute(sql, &[&organization, &by]).await.map(drop)
}

/// Takes away the domains that `by` has claimed for whichever organization and nobody has verified yet.
pub(crate) async fn remove_all_waiting_of(tx: &mut Tx, by: UserId) -> Result<(), Error> {
    let sql = "DELETE FROM organization_domains WHERE claimed_by = $1 AND verified_at IS NULL";
    tx.execute(sql, &[&by]).await.map(drop)
}

/// Takes the domain away; none if there is none such.
pub(crate) async fn remove(
    tx: &mut Tx,
    organization: OrganizationId,
    id: DomainId,
) -> Result<Option<Domain>, Error> {
    let sql = format!(
        "DELETE FROM organization_domains WHERE id = $1 AND organization_id = $2 RETURNING {COLUMNS}"
    );
    tx.fetch_optional(&sql, &[&id, &organization]).await
}

/// All domains of an organization, by name. They are few.
pub(crate) async fn list(db: &Db, organization: OrganizationId) -> Result<Vec<Domain>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM organization_domains WHERE organization_id = $1 ORDER BY domain");
    db.fetch_all(&sql, &[&organization]).await
}

const ROLE: &str = "SELECT role FROM organization_domains WHERE organization_id = $1 AND domain = $2 AND verified_at IS NOT NULL";

/// What people of a verified domain of an organization may become in it.
pub(crate) async fn role_for(
    db: &Db,
    organization: OrganizationId,
    domain: &str,
) -> Result<Option<OrganizationRole>, Error> {
    db.fetch_optional(ROLE, &[&organization, &domain]).await
}

/// The same as the transaction sees it.
pub(crate) async fn role_in(
    tx: &mut Tx,
    organization: OrganizationId,
    domain: &str,
) -> Result<Option<OrganizationRole>, Error> {
    tx.fetch_optional(ROLE, &[&organization, &domain]).await
}

/// An organization that people of a domain may join.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Joinable {
    pub(crate) id: OrganizationId,
    pub(crate) name: String,
    pub(crate) role: OrganizationRole,
}

/// Organizations that `user`, whose address is of a domain, may join and has never joined, in order of their ids, `limit` of them at most.
pub(crate) async fn joinable(
    db: &Db,
    domain: &str,
    user: UserId,
    limit: u32,
) -> Result<Vec<Joinable>, Error> {
    let sql = "SELECT o.id, o.name, d.role FROM organization_domains d \
               JOIN organizations o ON o.id = d.organization_id AND o.purge_at IS NULL \
               WHERE d.domain = $1 AND d.verified_at IS NOT NULL \
               AND NOT EXISTS (SELECT 1 FROM organization_members m WHERE m.organization_id = d.organization_id AND m.user_id = $2) \
               AND NOT EXISTS (SELECT 1 FROM organization_departures x WHERE x.organization_id = d.organization_id AND x.user_id = $2) \
               ORDER BY d.organization_id LIMIT $3";
    db.fetch_all(sql, &[&domain, &user, &limit]).await
}

//! Members of organizations.

use stoa_db::{Db, Direction, Error, FromRow, List, Row, Tx};
use stoa_http::MembershipClaim;
use stoa_kernel::{
    Membership, Memberships, OrganizationId, OrganizationRole, Page, PageRequest, Timestamp, UserId,
};

use super::organizations::Organization;

/// One member.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Member {
    pub(crate) user_id: UserId,
    pub(crate) email: String,
    pub(crate) role: OrganizationRole,
    pub(crate) created_at: Timestamp,
}

/// What somebody is in an organization that is not deleted.
pub(crate) async fn role_of(
    db: &Db,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<OrganizationRole>, Error> {
    let sql = "SELECT m.role FROM organization_members m JOIN organizations o ON o.id = m.organization_id AND o.purge_at IS NULL \
               WHERE m.organization_id = $1 AND m.user_id = $2";
    db.fetch_optional(sql, &[&organization, &user]).await
}

/// What somebody is in an organization, deleted or not, as the transaction sees it.
pub(crate) async fn role_in(
    tx: &mut Tx,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<OrganizationRole>, Error> {
    let sql = "SELECT role FROM organization_members WHERE organization_id = $1 AND user_id = $2";
    tx.fetch_optional(sql, &[&organization, &user]).await
}

/// Makes somebody a member; false if they are one.
pub(crate) async fn insert(
    tx: &mut Tx,
    organization: OrganizationId,
    user: UserId,
    role: OrganizationRole,
) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql = "INSERT INTO organization_members (organization_id, user_id, role, created_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (organization_id, user_id) DO NOTHING";
    let added = tx.execute(sql, &[&organization, &user, &role, &now]).await? == 1;
    let sql = "DELETE FROM organization_departures WHERE organization_id = $1 AND user_id = $2";
    tx.execute(sql, &[&organization, &user]).await?;
    Ok(added)
}

/// Gives a member another role.
pub(crate) async fn set_role(
    tx: &mut Tx,
    organization: OrganizationId,
    user: UserId,
    role: OrganizationRole,
) -> Result<(), Error> {
    let sql = "UPDATE organization_members SET role = $3 WHERE organization_id = $1 AND user_id = $2";
    tx.execute(sql, &[&organization, &user, &role]).await.map(drop)
}

/// Ends a membership, and remembers that there was one.
pub(crate) async fn remove(tx: &mut Tx, organization: OrganizationId, user: UserId) -> Result<(), Error> {
    let sql = "DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2";
    tx.execute(sql, &[&organization, &user]).await?;
    let sql = "INSERT INTO organization_departures (organization_id, user_id) VALUES ($1, $2) \
               ON CONFLICT (organization_id, user_id) DO NOTHING";
    tx.execute(sql, &[&organization, &user]).await.map(drop)
}

/// Whether somebody is a former member of an organization.
pub(crate) async fn has_left(tx: &mut Tx, organization: OrganizationId, user: UserId) -> Result<bool, Error> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM organization_departures WHERE organization_id = $1 AND user_id = $2)";
    tx.fetch_one(sql, &[&organization, &user]).await
}

/// Whether an organization that is held has an owner beside `user` who can sign in.
pub(crate) async fn another_owner(
    tx: &mut Tx,
    organization: OrganizationId,
    user: UserId,
) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM organization_members m JOIN accounts a ON a.id = m.user_id \
               WHERE m.organization_id = $1 AND m.role = $2 AND m.user_id <> $3 AND a.disabled_at IS NULL)";
    tx.fetch_one(sql, &[&organization, &OrganizationRole::Owner, &user])
        .await
}

/// The members of an organization with this role, by their ids, `limit` of them at most.
pub(crate) async fn with_role(
    db: &Db,
    organization: OrganizationId,
    role: OrganizationRole,
    limit: u32,
) -> Result<Vec<UserId>, Error> {
    let sql = "SELECT user_id FROM organization_members WHERE organization_id = $1 AND role = $2 ORDER BY user_id LIMIT $3";
    db.fetch_all(sql, &[&organization, &role, &limit]).await
}

/// Whether an organization that is held has a member beside `user`.
pub(crate) async fn another_member(
    tx: &mut Tx,
    organization: OrganizationId,
    user: UserId,
) -> Result<bool, Error> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM organization_members WHERE organization_id = $1 AND user_id <> $2)";
    tx.fetch_one(sql, &[&organization, &user]).await
}

/// The members of an organization, by the page.
pub(crate) async fn list(
    db: &Db,
    organization: OrganizationId,
    role: Option<OrganizationRole>,
    page: &PageRequest,
) -> Result<Page<Member>, Error> {
    let rows = List::of(
        "organization_members",
        "user_id, (SELECT email FROM accounts WHERE id = user_id) AS email, role, created_at",
    )
    .filter("organization_id = $", organization)
    .filter_some("role = $", role)
    .order(&["user_id"], Direction::Ascending);
    rows.page(db, page, |member: &Member| member.user_id).await
}

/// How many organizations somebody is a member of, and of how many that are deleted and not purged yet.
pub(crate) async fn count_of(tx: &mut Tx, user: UserId) -> Result<(i64, i64), Error> {
    let sql = "SELECT count(*), count((SELECT purge_at FROM organizations WHERE id = organization_id)) \
               FROM organization_members WHERE user_id = $1";
    let (all, deleted): (i64, i64) = tx.fetch_one(sql, &[&user]).await?;
    Ok((all - deleted, deleted))
}

/// The organizations of somebody, deleted ones too: all, in order of their ids.
pub(crate) async fn all_of(tx: &mut Tx, user: UserId) -> Result<Vec<OrganizationId>, Error> {
    let sql = "SELECT organization_id FROM organization_members WHERE user_id = $1 ORDER BY organization_id";
    tx.fetch_all(sql, &[&user]).await
}

/// An organization, and what somebody is in it.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) organization: Organization,
    pub(crate) role: OrganizationRole,
}

impl FromRow for Standing {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            organization: Organization::from_row(row)?,
            role: row.get(8, "role")?,
        })
    }
}

/// The organizations of somebody, deleted ones too, the oldest first.
pub(crate) async fn joined(db: &Db, user: UserId, page: &PageRequest) -> Result<Page<Standing>, Error> {
    let columns = "o.id, o.name, o.picture, o.version, o.access_version, o.created_at, o.updated_at, o.purge_at, m.role";
    List::of(
        "organization_members m JOIN organizations o ON o.id = m.organization_id",
        columns,
    )
    .filter("m.user_id = $", user)
    .order(&["m.organization_id"], Direction::Ascending)
    .page(db, page, |row: &Standing| row.organization.id)
    .await
}

/// The memberships that credentials of somebody list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    rows: Vec<ListedRow>,
    pub(crate) more: bool,
}

#[derive(Clone, Debug, FromRow)]
struct ListedRow {
    organization_id: OrganizationId,
    role: OrganizationRole,
    access_version: i64,
}

/// Read after the access version of the account: so memberships that change meanwhile make the token stale.
pub(crate) async fn listed(db: &Db, user: UserId) -> Result<Listed, Error> {
    let most = Memberships::LISTED_MAX;
    let sql = "SELECT m.organization_id, m.role, o.access_version FROM organization_members m \
               JOIN organizations o ON o.id = m.organization_id AND o.purge_at IS NULL \
               WHERE m.user_id = $1 ORDER BY m.organization_id LIMIT $2";
    let limit = i64::try_from(most + 1).unwrap_or(i64::MAX);
    let mut rows: Vec<ListedRow> = db.fetch_all(sql, &[&user, &limit]).await?;
    let more = rows.len() > most;
    rows.truncate(most);
    Ok(Listed { rows, more })
}

impl Listed {
    /// As access tokens say them.
    pub(crate) fn claims(&self) -> Vec<MembershipClaim> {
        let rows = self.rows.iter();
        rows.map(|row| MembershipClaim(row.organization_id, row.role, row.access_version))
            .collect()
    }

    /// As principals have them.
    pub(crate) fn memberships(&self) -> Memberships {
        let rows = self.rows.iter();
        let listed = rows.map(|row| Membership {
            organization_id: row.organization_id,
            role: row.role,
        });
        Memberships {
            listed: listed.collect(),
            more: self.more,
        }
    }
}

//! Roles, what they permit, and who has them.

use stoa_db::{Db, Direction, Error, FromRow, List, Tx};
use stoa_kernel::{Page, PageRequest, Permissions, UserId};

/// The role that permits everything.
pub(crate) const ADMIN: &str = "admin";
/// The role of every account.
const USER: &str = "user";

/// What somebody may do, as their next access token says.
#[derive(Clone, Debug)]
pub(crate) struct AccessOf {
    pub(crate) roles: Vec<String>,
    /// The version of each of the roles.
    pub(crate) role_versions: Vec<i64>,
    pub(crate) permissions: Permissions,
    pub(crate) version: i64,
}

/// One statement, so that versions and permissions belong together.
const ACCESS: &str = "SELECT a.access_version, r.name, r.version, p.permission FROM accounts a \
     LEFT JOIN user_roles u ON u.user_id = a.id LEFT JOIN roles r ON r.name = u.role AND r.removed_at IS NULL \
     LEFT JOIN role_permissions p ON p.role = r.name WHERE a.id = $1 ORDER BY r.name, p.permission";

#[derive(FromRow)]
struct AccessRow {
    access_version: i64,
    name: Option<String>,
    version: Option<i64>,
    permission: Option<String>,
}

/// Read after the commit that made the account, and whenever an access token is signed.
pub(crate) async fn access_of(db: &Db, user: UserId) -> Result<AccessOf, Error> {
    gather(db.fetch_all(ACCESS, &[&user]).await?).ok_or(Error::NotFound)
}

/// The same as the transaction sees it; none if there is no such account.
pub(crate) async fn access_in(tx: &mut Tx, user: UserId) -> Result<Option<AccessOf>, Error> {
    Ok(gather(tx.fetch_all(ACCESS, &[&user]).await?))
}

fn gather(rows: Vec<AccessRow>) -> Option<AccessOf> {
    let version = rows.first()?.access_version;
    let mut roles: Vec<String> = Vec::new();
    let (mut role_versions, mut permissions) = (Vec::new(), Vec::new());
    for row in rows {
        if let Some(role) = row.name.filter(|role| roles.last() != Some(role)) {
            roles.push(role);
            role_versions.extend(row.version);
        }
        permissions.extend(row.permission);
    }
    Some(AccessOf {
        roles,
        role_versions,
        permissions: Permissions::new(permissions),
        version,
    })
}

/// Gives a new account the role `user`.
pub(crate) async fn assign_default(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    assign(tx, user, USER).await.map(drop)
}

/// Gives a role; false if the account has it already.
pub(crate) async fn assign(tx: &mut Tx, user: UserId, role: &str) -> Result<bool, Error> {
    let sql = "INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT (user_id, role) DO NOTHING";
    Ok(tx.execute(sql, &[&user, &role]).await? == 1)
}

/// Takes a role; false if the account does not have it.
pub(crate) async fn unassign(tx: &mut Tx, user: UserId, role: &str) -> Result<bool, Error> {
    let sql = "DELETE FROM user_roles WHERE user_id = $1 AND role = $2";
    Ok(tx.execute(sql, &[&user, &role]).await? == 1)
}

/// The roles of each of these accounts, in order of their ids.
pub(crate) async fn of_accounts(db: &Db, users: &[UserId]) -> Result<Vec<(UserId, String)>, Error> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (1..=users.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT u.user_id, u.role FROM user_roles u WHERE u.user_id IN ({}) \
         AND (SELECT r.removed_at FROM roles r WHERE r.name = u.role) IS NULL ORDER BY u.user_id, u.role",
        places.join(", ")
    );
    let params: Vec<&dyn stoa_db::ToValue> = users.iter().map(|user| user as _).collect();
    db.fetch_all(&sql, &params).await
}

/// Whether somebody else than `user` is an administrator who can sign in. Until the end of the transaction nobody else can ask,
/// so that the last two cannot both go at once.
pub(crate) async fn another_admin(tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    hold(tx, ADMIN).await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM user_roles u JOIN accounts a ON a.id = u.user_id \
               WHERE u.role = $1 AND u.user_id <> $2 AND a.disabled_at IS NULL)";
    tx.fetch_one(sql, &[&ADMIN, &user]).await
}

/// One role.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) built_in: bool,
    pub(crate) version: i64,
    pub(crate) permissions: Permissions,
}

#[derive(FromRow)]
struct RoleRow {
    name: String,
    description: String,
    built_in: bool,
    version: i64,
    permission: Option<String>,
}

/// A role, and its permissions in one text.
#[derive(FromRow)]
struct Listed {
    name: String,
    description: String,
    built_in: bool,
    version: i64,
    permissions: Option<String>,
}

/// A page of roles, by name.
pub(crate) async fn list(db: &Db, page: &PageRequest) -> Result<Page<Role>, Error> {
    let permissions =
        "(SELECT string_agg(permission, ' ') FROM role_permissions WHERE role = roles.name) AS permissions";
    let page = List::of(
        "roles",
        format!("name, description, built_in, version, {permissions}"),
    )
    .and("removed_at IS NULL")
    .order(&["name"], Direction::Ascending)
    .page(db, page, |role: &Listed| role.name.clone())
    .await?;
    Ok(page.map(|role| Role {
        name: role.name,
        description: role.description,
        built_in: role.built_in,
        version: role.version,
        permissions: Permissions::new(role.permissions.iter().flat_map(|all| all.split(' '))),
    }))
}

const ONE: &str = "SELECT r.name, r.description, r.built_in, r.version, p.permission FROM roles r \
     LEFT JOIN role_permissions p ON p.role = r.name WHERE r.name = $1 AND r.removed_at IS NULL";

/// The role of this name.
pub(crate) async fn find(db: &Db, name: &str) -> Result<Option<Role>, Error> {
    let rows: Vec<RoleRow> = db.fetch_all(ONE, &[&name]).await?;
    Ok(role(&rows))
}

/// The role of this name, held fast until the end of the transaction: nobody else changes it, gives it or takes it.
pub(crate) async fn hold(tx: &mut Tx, name: &str) -> Result<Option<Role>, Error> {
    tx.execute("UPDATE roles SET version = version WHERE name = $1", &[&name])
        .await?;
    let rows: Vec<RoleRow> = tx.fetch_all(ONE, &[&name]).await?;
    Ok(role(&rows))
}

/// One role of its rows, of which there is one for each permission, and one at least.
fn role(rows: &[RoleRow]) -> Option<Role> {
    let first = rows.first()?;
    Some(Role {
        name: first.name.clone(),
        description: first.description.clone(),
        built_in: first.built_in,
        version: first.version,
        permissions: Permissions::new(rows.iter().filter_map(|row| row.permission.as_deref())),
    })
}

/// Makes a role; returns its version, which is greater than that of every role which had the name before, or none if there is one
/// of this name, or one that is still being taken from those who had it.
pub(crate) async fn insert(
    tx: &mut Tx,
    name: &str,
    description: &str,
    permissions: &Permissions,
) -> Result<Option<i64>, Error> {
    let sql = "INSERT INTO roles (name, description, built_in, version) \
               VALUES ($1, $2, FALSE, COALESCE((SELECT version FROM raised_roles WHERE role = $1), 0) + 1) \
               ON CONFLICT (name) DO NOTHING RETURNING version";
    let version: Option<i64> = tx.fetch_optional(sql, &[&name, &description]).await?;
    if version.is_some() {
        permit(tx, name, permissions).await?;
    }
    Ok(version)
}

/// Changes the role, if it is still of this version.
pub(crate) async fn update(
    tx: &mut Tx,
    (name, version): (&str, i64),
    description: &str,
    permissions: &Permissions,
) -> Result<bool, Error> {
    let sql = "UPDATE roles SET description = $3, version = version + 1 \
               WHERE name = $1 AND version = $2 AND NOT built_in AND removed_at IS NULL";
    if tx.execute(sql, &[&name, &version, &description]).await? == 0 {
        return Ok(false);
    }
    forbid_all(tx, name).await?;
    permit(tx, name, permissions).await?;
    Ok(true)
}

async fn forbid_all(tx: &mut Tx, role: &str) -> Result<(), Error> {
    tx.execute("DELETE FROM role_permissions WHERE role = $1", &[&role])
        .await
        .map(drop)
}

async fn permit(tx: &mut Tx, role: &str, permissions: &Permissions) -> Result<(), Error> {
    for permission in permissions.iter() {
        tx.execute(
            "INSERT INTO role_permissions (role, permission) VALUES ($1, $2)",
            &[&role, &permission],
        )
        .await?;
    }
    Ok(())
}

/// Removes the role, if it is still of this version: nobody has it any more. [`clear`] deletes what is left of it.
pub(crate) async fn remove(tx: &mut Tx, name: &str, version: i64) -> Result<bool, Error> {
    let now = tx.clock().now();
    let sql = "UPDATE roles SET removed_at = $3, version = version + 1 \
               WHERE name = $1 AND version = $2 AND NOT built_in AND removed_at IS NULL";
    if tx.execute(sql, &[&name, &version, &now]).await? == 0 {
        return Ok(false);
    }
    forbid_all(tx, name).await?;
    Ok(true)
}

/// Takes a role that was removed from at most `limit` of those who had it; once nobody is left, its name is free again. False if
/// there is more to do.
pub(crate) async fn clear(tx: &mut Tx, name: &str, limit: u32) -> Result<bool, Error> {
    let sql = "DELETE FROM user_roles WHERE role = $1 AND user_id IN \
               (SELECT user_id FROM user_roles WHERE role = $1 LIMIT $2) \
               AND EXISTS (SELECT 1 FROM roles WHERE name = $1 AND removed_at IS NOT NULL)";
    if tx.execute(sql, &[&name, &limit]).await? == u64::from(limit) {
        return Ok(false);
    }
    tx.execute(
        "DELETE FROM roles WHERE name = $1 AND removed_at IS NOT NULL",
        &[&name],
    )
    .await?;
    Ok(true)
}

//! What was revoked before it expired: ended sessions, raised access versions of accounts and organizations, raised versions of
//! roles.
//!
//! Other processes ask for it in pages, by number. Numbers are given after the commit, in batches ([`number`]): so nobody who
//! signs out waits for a counter, and whoever sees a number has been able to see all smaller ones.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{OrganizationId, SessionId, Timestamp, UserId, random};

/// Rows of each table on one page. A page is some hundred kilobytes, far below the 4 MiB that gRPC takes.
const PAGE: u32 = 2000;
/// The number of what has none yet.
const UNNUMBERED: i64 = 0;

/// A session that was ended while access tokens of it live.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RevokedSession {
    pub(crate) session_id: SessionId,
    pub(crate) until: Timestamp,
    seq: i64,
}

/// An account whose access tokens of a smaller version are stale.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RaisedVersion {
    pub(crate) user_id: UserId,
    pub(crate) version: i64,
    pub(crate) until: Timestamp,
    seq: i64,
}

/// A role that access tokens of a smaller version of it are stale for.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RaisedRole {
    pub(crate) role: String,
    pub(crate) version: i64,
    pub(crate) until: Timestamp,
    seq: i64,
}

/// An organization that access tokens of a smaller version of it are stale for.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RaisedOrganization {
    pub(crate) organization_id: OrganizationId,
    pub(crate) version: i64,
    pub(crate) until: Timestamp,
    seq: i64,
}

/// Notes that `session` was ended.
pub(crate) async fn revoke_session(
    tx: &mut Tx,
    session: SessionId,
    user: UserId,
    until: Timestamp,
) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO revoked_sessions (session_id, user_id, until, seq) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (session_id) DO NOTHING",
        &[&session, &user, &until, &UNNUMBERED],
    )
    .await
    .map(drop)
}

/// Raises the access version of `user`, whose roles or memberships have changed. After the commit, tell the verifier:
/// `ctx.verifier.raise_version(user, version, until)`. `until`: when the last access token of today expires. None: there is no
/// such account.
pub(crate) async fn raise_version(
    tx: &mut Tx,
    user: UserId,
    until: Timestamp,
) -> Result<Option<RaisedVersion>, Error> {
    let now = tx.clock().now();
    let version: Option<i64> = tx
        .fetch_optional(
            "UPDATE accounts SET access_version = access_version + 1, updated_at = $2 WHERE id = $1 RETURNING access_version",
            &[&user, &now],
        )
        .await?;
    let Some(version) = version else { return Ok(None) };
    raise(tx, "raised_versions", "user_id", &user, version, until).await?;
    Ok(Some(RaisedVersion {
        user_id: user,
        version,
        until,
        seq: UNNUMBERED,
    }))
}

/// Notes that the role has changed and is of `version` now, for all who have it at once. After the commit, tell the verifier.
pub(crate) async fn raise_role(
    tx: &mut Tx,
    role: &str,
    version: i64,
    until: Timestamp,
) -> Result<RaisedRole, Error> {
    raise(tx, "raised_roles", "role", &role, version, until).await?;
    Ok(RaisedRole {
        role: role.to_owned(),
        version,
        until,
        seq: UNNUMBERED,
    })
}

/// Notes that the organization is of `version` now, for all its members at once. After the commit, tell the verifier.
pub(crate) async fn raise_organization(
    tx: &mut Tx,
    organization: OrganizationId,
    version: i64,
    until: Timestamp,
) -> Result<RaisedOrganization, Error> {
    let table = "raised_organizations";
    raise(tx, table, "organization_id", &organization, version, until).await?;
    Ok(RaisedOrganization {
        organization_id: organization,
        version,
        until,
        seq: UNNUMBERED,
    })
}

async fn raise(
    tx: &mut Tx,
    table: &str,
    key: &str,
    whose: &(dyn ToValue + Sync),
    version: i64,
    until: Timestamp,
) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO {table} ({key}, version, until, seq) VALUES ($1, $2, $3, $4) \
         ON CONFLICT ({key}) DO UPDATE SET version = excluded.version, seq = excluded.seq, \
         until = CASE WHEN {table}.until > excluded.until THEN {table}.until ELSE excluded.until END"
    );
    tx.execute(&sql, &[whose, &version, &until, &UNNUMBERED])
        .await
        .map(drop)
}

/// Gives numbers to what was committed without, to as many rows of each table as one page has; true if there may be more. The
/// counter is held until the commit: so numbers are committed in their order.
pub(crate) async fn number(db: &Db) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM revoked_sessions WHERE seq = 0) \
               OR EXISTS (SELECT 1 FROM raised_versions WHERE seq = 0) OR EXISTS (SELECT 1 FROM raised_roles WHERE seq = 0) \
               OR EXISTS (SELECT 1 FROM raised_organizations WHERE seq = 0)";
    if !db.fetch_one::<bool>(sql, &[]).await? {
        return Ok(false);
    }
    let page = i64::from(PAGE);
    let mut tx = db.begin().await?;
    let end: i64 = tx
        .fetch_one(
            "UPDATE revocation_counter SET seq = seq + $1 WHERE id = 1 RETURNING seq",
            &[&(4 * page)],
        )
        .await?;
    // Each table has a range of its own, of which it may need a part.
    let ranges = [
        ("revoked_sessions", "session_id", end - 4 * page),
        ("raised_versions", "user_id", end - 3 * page),
        ("raised_roles", "role", end - 2 * page),
        ("raised_organizations", "organization_id", end - page),
    ];
    let mark = random::bytes::<8>();
    tx.execute(
        "INSERT INTO revocation_batches (seq, mark, created_at) VALUES ($1, $2, $3)",
        &[&end, &mark.as_slice(), &tx.clock().now()],
    )
    .await?;
    let mut more = false;
    for (table, key, start) in ranges {
        let sql = format!(
            "UPDATE {table} SET seq = $1 + batch.place FROM \
             (SELECT {key} AS name, row_number() OVER (ORDER BY {key}) AS place FROM \
              (SELECT {key} FROM {table} WHERE seq = 0 LIMIT $2) AS unnumbered) AS batch \
             WHERE {table}.{key} = batch.name AND {table}.seq = 0"
        );
        more |= tx.execute(&sql, &[&start, &PAGE]).await? == u64::from(PAGE);
    }
    tx.commit().await?;
    Ok(more)
}

/// Up to where somebody was told what was revoked.
#[derive(Clone, Default)]
pub(crate) struct Since {
    /// A number; 0: nothing was told.
    pub(crate) seq: i64,
    /// The mark of the batch that the number is of. Empty where it is not known.
    pub(crate) mark: Vec<u8>,
}

/// What was revoked, a part of it.
#[derive(Default)]
pub(crate) struct Page {
    pub(crate) sessions: Vec<RevokedSession>,
    pub(crate) versions: Vec<RaisedVersion>,
    pub(crate) roles: Vec<RaisedRole>,
    pub(crate) organizations: Vec<RaisedOrganization>,
    /// Up to where the page tells.
    pub(crate) end: Since,
    /// Whether there is more.
    pub(crate) more: bool,
}

impl Page {
    /// Leaves out what is beyond its end, and what no token can be refused by any more.
    fn trim(&mut self, now: Timestamp) {
        let seq = self.end.seq;
        self.sessions.retain(|one| one.seq <= seq && one.until > now);
        self.versions.retain(|one| one.seq <= seq && one.until > now);
        self.roles.retain(|one| one.seq <= seq && one.until > now);
        self.organizations.retain(|one| one.seq <= seq && one.until > now);
    }
}

/// The numbered rows after `since`, in the order of their numbers. What was told before a backup was restored counts as nothing:
/// then the number is greater than all, or was given to others since, in a batch of another mark.
pub(crate) async fn page(db: &Db, since: &Since) -> Result<Page, Error> {
    // First, so that all up to it can be read.
    let end: i64 = db
        .fetch_one("SELECT seq FROM revocation_counter WHERE id = 1", &[])
        .await?;
    let known = since.seq <= end && (since.mark.is_empty() || since.mark == mark(db, since.seq).await?);
    let from = if known { since.seq } else { 0 };
    let mut page = Page::default();
    if from < end {
        page.sessions = rows(db, "session_id, until, seq FROM revoked_sessions", from, end).await?;
        page.versions = rows(db, "user_id, version, until, seq FROM raised_versions", from, end).await?;
        page.roles = rows(db, "role, version, until, seq FROM raised_roles", from, end).await?;
        let raised = "organization_id, version, until, seq FROM raised_organizations";
        page.organizations = rows(db, raised, from, end).await?;
    }
    let ends = [
        full(&page.sessions, |row| row.seq),
        full(&page.versions, |row| row.seq),
        full(&page.roles, |row| row.seq),
        full(&page.organizations, |row| row.seq),
    ];
    let seq = ends.into_iter().flatten().min().unwrap_or(end);
    page.end = Since {
        seq,
        mark: mark(db, seq).await?,
    };
    page.more = seq < end;
    page.trim(db.clock().now());
    Ok(page)
}

/// The mark of the batch that `seq` is of; empty where it was deleted, or never had one.
async fn mark(db: &Db, seq: i64) -> Result<Vec<u8>, Error> {
    let sql = "SELECT mark FROM revocation_batches WHERE seq >= $1 ORDER BY seq LIMIT 1";
    Ok(db.fetch_optional(sql, &[&seq]).await?.unwrap_or_default())
}

async fn rows<T: FromRow>(db: &Db, what: &str, since: i64, end: i64) -> Result<Vec<T>, Error> {
    let sql = format!("SELECT {what} WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3");
    db.fetch_all(&sql, &[&since, &end, &PAGE]).await
}

/// The number of the last row of a full page, behind which there may be more.
fn full<T>(rows: &[T], seq: impl Fn(&T) -> i64) -> Option<i64> {
    rows.last().filter(|_| rows.len() == PAGE as usize).map(seq)
}

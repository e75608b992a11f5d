//! What is of no use any more once its time has come.

use stoa_db::{Db, Error};
use stoa_kernel::Timestamp;

/// Rows that go once their time has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expired {
    table: &'static str,
    key: &'static str,
    column: &'static str,
}

/// Gone as soon as they have expired.
pub(crate) const EXPIRING: [Expired; 8] = [
    of("sessions", "id", "expires_at"),
    of("refresh_tokens", "hash", "expires_at"),
    of("mail_tokens", "hash", "expires_at"),
    of("revoked_sessions", "session_id", "until"),
    of("raised_versions", "user_id", "until"),
    of("raised_roles", "role", "until"),
    of("raised_organizations", "organization_id", "until"),
    of("invitations", "id", "expires_at"),
];

/// Gone once they were not used for so long as the settings say.
pub(crate) const KNOWN_NETWORKS: Expired = of("known_networks", "network", "last_used_at");

/// Gone once the events that tell them have long arrived.
pub(crate) const REGISTERED_NAMES: Expired = of("registered_names", "user_id", "created_at");

/// Kept for a month. A process that last asked before that is told everything.
pub(crate) const REVOCATION_BATCHES: Expired = of("revocation_batches", "seq", "created_at");

const fn of(table: &'static str, key: &'static str, column: &'static str) -> Expired {
    Expired { table, key, column }
}

impl Expired {
    /// Deletes rows whose time came before `time`, the oldest first, `most` of them in one short transaction; returns how many.
    pub(crate) async fn delete(self, db: &Db, time: Timestamp, most: u32) -> Result<u64, Error> {
        let Self { table, key, column } = self;
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN \
             (SELECT {key} FROM {table} WHERE {column} <= $1 ORDER BY {column} LIMIT $2)"
        );
        db.execute(&sql, &[&time, &most]).await
    }
}

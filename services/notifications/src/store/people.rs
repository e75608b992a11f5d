//! What is known of people, and the lock under which their rows are made, counted and erased.

use stoa_db::{Db, Error, FromRow, Tx};
use stoa_kernel::{Timestamp, UserId};
use stoa_service::Channel;

use crate::when::QuietHours;

const COLUMNS: &str = "language, timezone, mails_off, inbox_count, unread_count, quiet_from, quiet_until, digest_at, version, \
     has_phone, push_count, revoked_until";

/// What is known of a person.
#[derive(Clone, Debug, Default, FromRow)]
pub(crate) struct Person {
    pub(crate) language: Option<String>,
    pub(crate) timezone: Option<String>,
    pub(crate) mails_off: bool,
    pub(crate) inbox_count: i64,
    pub(crate) unread_count: i64,
    quiet_from: Option<i64>,
    quiet_until: Option<i64>,
    /// Of a daily digest, in minutes since midnight, if they have chosen it.
    pub(crate) digest_at: Option<i64>,
    /// Of what they have chosen; 0: nothing yet.
    pub(crate) version: i64,
    /// They have a verified phone number.
    has_phone: bool,
    /// Browsers and phones that push messages go to.
    pub(crate) push_count: i64,
    /// After a reset of the password: until when a session that was ended may be believed in.
    pub(crate) revoked_until: Option<Timestamp>,
}

impl Person {
    /// Whether they have an address of this channel. Mail goes to the account's, of which auth knows.
    pub(crate) fn is_reached_by(&self, channel: Channel) -> bool {
        match channel {
            Channel::InApp | Channel::Email => true,
            Channel::Push => self.push_count > 0,
            Channel::Sms => self.has_phone,
        }
    }

    /// Their quiet hours, if they have any.
    pub(crate) fn quiet(&self) -> Option<QuietHours> {
        Some(QuietHours {
            from: self.quiet_from?,
            until: self.quiet_until?,
        })
    }
}

/// Locks the person until the transaction ends; none if they were erased. Several are locked in the order of their ids.
pub(crate) async fn lock(tx: &mut Tx, user: UserId) -> Result<Option<Person>, Error> {
    let sql = format!(
        "INSERT INTO people (user_id, is_erased, mails_off, inbox_count, unread_count) VALUES ($1, FALSE, FALSE, 0, 0) \
         ON CONFLICT (user_id) DO UPDATE SET is_erased = FALSE WHERE NOT people.is_erased RETURNING {COLUMNS}"
    );
    tx.fetch_optional(&sql, &[&user]).await
}

/// What is known of a person, if anything is; none too if they were erased.
pub(crate) async fn get(db: &Db, user: UserId) -> Result<Option<Person>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM people WHERE user_id = $1 AND NOT is_erased");
    db.fetch_optional(&sql, &[&user]).await
}

/// Locks the person, notes that they were erased, and drops what was known of them.
pub(crate) async fn erase(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let sql = "INSERT INTO people (user_id, is_erased, mails_off, inbox_count, unread_count) VALUES ($1, TRUE, FALSE, 0, 0) \
               ON CONFLICT (user_id) DO UPDATE SET is_erased = TRUE, language = NULL, timezone = NULL, mails_off = FALSE, \
               inbox_count = 0, unread_count = 0, quiet_from = NULL, quiet_until = NULL, digest_at = NULL, version = 0, has_phone = FALSE, push_count = 0, revoked_until = NULL";
    tx.execute(sql, &[&user]).await.map(drop)
}

/// The language that a locked person wants to be written to in; none: they have not said.
pub(crate) async fn set_language(tx: &mut Tx, user: UserId, language: Option<&str>) -> Result<(), Error> {
    let sql = "UPDATE people SET language = $2 WHERE user_id = $1";
    tx.execute(sql, &[&user, &language]).await.map(drop)
}

/// The time zone of a locked person; none: they have not said.
pub(crate) async fn set_timezone(tx: &mut Tx, user: UserId, timezone: Option<&str>) -> Result<(), Error> {
    let sql = "UPDATE people SET timezone = $2 WHERE user_id = $1";
    tx.execute(sql, &[&user, &timezone]).await.map(drop)
}

/// Whether a locked person wants no mails but critical ones.
pub(crate) async fn set_mails_off(tx: &mut Tx, user: UserId, off: bool) -> Result<(), Error> {
    let sql = "UPDATE people SET mails_off = $2 WHERE user_id = $1";
    tx.execute(sql, &[&user, &off]).await.map(drop)
}

/// Whether a locked person has a verified phone number.
pub(crate) async fn set_phone(tx: &mut Tx, user: UserId, has: bool) -> Result<(), Error> {
    let sql = "UPDATE people SET has_phone = $2 WHERE user_id = $1";
    tx.execute(sql, &[&user, &has]).await.map(drop)
}

/// Notes until when the ended sessions of a locked person may be believed in; the latest time counts.
pub(crate) async fn revoke(tx: &mut Tx, user: UserId, until: Timestamp) -> Result<(), Error> {
    let sql =
        "UPDATE people SET revoked_until = $2 WHERE user_id = $1 AND COALESCE(revoked_until < $2, TRUE)";
    tx.execute(sql, &[&user, &until]).await.map(drop)
}

/// Changes how many browsers and phones of a locked person push messages go to.
pub(crate) async fn count_push(tx: &mut Tx, user: UserId, change: i64) -> Result<(), Error> {
    let sql = "UPDATE people SET push_count = push_count + $2 WHERE user_id = $1 AND NOT is_erased";
    tx.execute(sql, &[&user, &change]).await.map(drop)
}

/// Changes what is counted of a locked person's inbox.
pub(crate) async fn count(tx: &mut Tx, user: UserId, items: i64, unread: i64) -> Result<(), Error> {
    if items == 0 && unread == 0 {
        return Ok(());
    }
    let sql = "UPDATE people SET inbox_count = inbox_count + $2, unread_count = unread_count + $3 WHERE user_id = $1";
    tx.execute(sql, &[&user, &items, &unread]).await.map(drop)
}

/// The times of day that a locked person has chosen; what they have chosen has a new version.
pub(crate) async fn set_times(
    tx: &mut Tx,
    user: UserId,
    quiet: Option<QuietHours>,
    digest_at: Option<i64>,
) -> Result<(), Error> {
    let sql = "UPDATE people SET quiet_from = $2, quiet_until = $3, digest_at = $4, version = version + 1 WHERE user_id = $1";
    let (from, until) = (quiet.map(|quiet| quiet.from), quiet.map(|quiet| quiet.until));
    tx.execute(sql, &[&user, &from, &until, &digest_at])
        .await
        .map(drop)
}

/// What a locked person has chosen has a new version.
pub(crate) async fn raise(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let sql = "UPDATE people SET version = version + 1 WHERE user_id = $1";
    tx.execute(sql, &[&user]).await.map(drop)
}

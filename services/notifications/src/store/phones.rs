//! Phone numbers, and the codes by which people show that they are theirs.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Id, Timestamp, UserId};

/// Label of a code's id.
pub(crate) enum CodeTag {}
/// Names a code that is sent to a number.
pub(crate) type CodeId = Id<CodeTag>;

/// A row of `phones`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct PhoneRow {
    pub(crate) sealed_number: Vec<u8>,
    pub(crate) number_hash: Vec<u8>,
    pub(crate) verified_at: Timestamp,
}

/// A row of `phone_codes`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct CodeRow {
    pub(crate) id: CodeId,
    pub(crate) sealed_number: Vec<u8>,
    pub(crate) number_hash: Vec<u8>,
    pub(crate) sealed_code: Vec<u8>,
    pub(crate) guesses: i64,
    pub(crate) state: String,
    pub(crate) expires_at: Timestamp,
}

/// How a code stands.
pub(crate) mod state {
    /// A job is to send it.
    pub(crate) const WAITING: &str = "waiting";
    /// A provider has it.
    pub(crate) const SENT: &str = "sent";
    /// The number takes no messages.
    pub(crate) const REFUSED: &str = "refused";
}

const PHONE: &str = "SELECT sealed_number, number_hash, verified_at FROM phones WHERE user_id = $1";
const CODE: &str = "SELECT id, sealed_number, number_hash, sealed_code, guesses, state, expires_at FROM phone_codes WHERE user_id = $1";

/// The number that somebody has shown to be theirs.
pub(crate) async fn get(db: &Db, user: UserId) -> Result<Option<PhoneRow>, Error> {
    db.fetch_optional(PHONE, &[&user]).await
}

/// The same, as the transaction sees it.
pub(crate) async fn find(tx: &mut Tx, user: UserId) -> Result<Option<PhoneRow>, Error> {
    tx.fetch_optional(PHONE, &[&user]).await
}

/// The code that somebody is to give.
pub(crate) async fn code(db: &Db, user: UserId) -> Result<Option<CodeRow>, Error> {
    db.fetch_optional(CODE, &[&user]).await
}

/// The same, as the transaction sees it.
pub(crate) async fn find_code(tx: &mut Tx, user: UserId) -> Result<Option<CodeRow>, Error> {
    tx.fetch_optional(CODE, &[&user]).await
}

/// Has a locked person give this code, in the place of any other.
pub(crate) async fn set_code(tx: &mut Tx, user: UserId, row: &CodeRow) -> Result<(), Error> {
    let sql = "INSERT INTO phone_codes (user_id, id, sealed_number, number_hash, sealed_code, guesses, state, expires_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, \
               sealed_number = excluded.sealed_number, number_hash = excluded.number_hash, sealed_code = excluded.sealed_code, \
               guesses = excluded.guesses, state = excluded.state, expires_at = excluded.expires_at";
    let params: [&dyn ToValue; 8] = [
        &user,
        &row.id,
        &row.sealed_number,
        &row.number_hash,
        &row.sealed_code,
        &row.guesses,
        &row.state,
        &row.expires_at,
    ];
    tx.execute(sql, &params).await.map(drop)
}

/// Notes a wrong code.
pub(crate) async fn guessed(tx: &mut Tx, user: UserId) -> Result<(), Error> {
    let sql = "UPDATE phone_codes SET guesses = guesses + 1 WHERE user_id = $1";
    tx.execute(sql, &[&user]).await.map(drop)
}

/// Notes how a code stands, if it still is the person's.
pub(crate) async fn set_state(tx: &mut Tx, user: UserId, id: CodeId, state: &str) -> Result<(), Error> {
    let sql = "UPDATE phone_codes SET state = $3 WHERE user_id = $1 AND id = $2";
    tx.execute(sql, &[&user, &id, &state]).await.map(drop)
}

/// Deletes the code of a person.
pub(crate) async fn delete_code(tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    let sql = "DELETE FROM phone_codes WHERE user_id = $1";
    Ok(tx.execute(sql, &[&user]).await? > 0)
}

/// From now on this is the number of a locked person.
pub(crate) async fn set(tx: &mut Tx, user: UserId, row: &PhoneRow) -> Result<(), Error> {
    let sql = "INSERT INTO phones (user_id, sealed_number, number_hash, verified_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (user_id) DO UPDATE SET sealed_number = excluded.sealed_number, \
               number_hash = excluded.number_hash, verified_at = excluded.verified_at";
    let params: [&dyn ToValue; 4] = [&user, &row.sealed_number, &row.number_hash, &row.verified_at];
    tx.execute(sql, &params).await.map(drop)
}

/// Deletes the number of a person.
pub(crate) async fn delete(tx: &mut Tx, user: UserId) -> Result<bool, Error> {
    let sql = "DELETE FROM phones WHERE user_id = $1";
    Ok(tx.execute(sql, &[&user]).await? > 0)
}

/// Deletes at most so many codes that have expired; how many there were.
pub(crate) async fn delete_expired(tx: &mut Tx, now: Timestamp, limit: u32) -> Result<u64, Error> {
    let sql = "DELETE FROM phone_codes WHERE user_id IN (SELECT user_id FROM phone_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, &[&now, &limit]).await
}

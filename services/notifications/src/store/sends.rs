//! Deliveries by one channel each, and how they stand.

use stoa_db::{Db, Error, FromRow, ToValue, Tx};
use stoa_kernel::{Timestamp, UserId};
use stoa_service::Channel;

use super::{deliveries::DeliveryId, digests::DigestId, notifications::NotificationId};

/// A row of `sends`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct SendRow {
    pub(crate) channel: String,
    pub(crate) state: String,
    pub(crate) code: String,
    pub(crate) address: Option<String>,
    pub(crate) updated_at: Timestamp,
}

/// How a delivery stands by one channel.
pub(crate) mod state {
    /// A job is to send it.
    pub(crate) const WAITING: &str = "waiting";
    /// It waits with others for a mail.
    pub(crate) const DIGESTED: &str = "digested";
    /// It is in the inbox, or a provider has it.
    pub(crate) const SENT: &str = "sent";
    /// It is not sent, and the code says why.
    pub(crate) const SKIPPED: &str = "skipped";
    /// It could not be sent.
    pub(crate) const FAILED: &str = "failed";
}

const COLUMNS: &str = "channel, state, code, address, updated_at";

/// Where something was sent, so that nobody reads it here.
#[derive(Clone, Debug)]
pub(crate) struct SentTo {
    pub(crate) masked: String,
    pub(crate) hash: Vec<u8>,
    /// What the provider calls the message, where it tells by that what becomes of it.
    pub(crate) provider_id: Option<String>,
}

/// What a new row is made of.
pub(crate) struct New<'a> {
    pub(crate) notification: NotificationId,
    pub(crate) delivery: DeliveryId,
    pub(crate) channel: Channel,
    pub(crate) user: UserId,
    pub(crate) kind: &'a str,
    pub(crate) state: &'a str,
    pub(crate) code: &'a str,
    /// It is one of so many of its type.
    pub(crate) counts: bool,
}

/// Writes a new one, in a digest or in none.
pub(crate) async fn insert(tx: &mut Tx, new: &New<'_>, digest: Option<DigestId>) -> Result<(), Error> {
    let sql = "INSERT INTO sends (delivery_id, channel, user_id, type, state, code, digest_id, counted_at, updated_at, unsent_of) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let now = tx.clock().now();
    let is_unsent = [state::WAITING, state::DIGESTED].contains(&new.state);
    let params: [&dyn ToValue; 10] = [
        &new.delivery,
        &new.channel.name(),
        &new.user,
        &new.kind,
        &new.state,
        &new.code,
        &digest,
        &new.counts.then_some(now),
        &now,
        &is_unsent.then_some(new.notification),
    ];
    tx.execute(sql, &params).await.map(drop)
}

/// How many of a type go or went to a person by a channel since a time, counted up to `most`.
pub(crate) async fn counted(
    tx: &mut Tx,
    (user, kind): (UserId, &str),
    channel: Channel,
    since: Timestamp,
    most: u32,
) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT delivery_id FROM sends WHERE user_id = $1 AND type = $2 AND channel = $3 \
               AND counted_at > $4 AND counted_at IS NOT NULL LIMIT $5) AS theirs";
    let params: [&dyn ToValue; 5] = [&user, &kind, &channel.name(), &since, &most];
    tx.fetch_one(sql, &params).await
}

/// How it stands now, where there is news, and where it went. Of what was cancelled meanwhile only that it was sent all the same.
pub(crate) async fn update(
    tx: &mut Tx,
    delivery: DeliveryId,
    channel: Channel,
    (state, code): (Option<&str>, &str),
    to: Option<&SentTo>,
) -> Result<bool, Error> {
    let sql = "UPDATE sends SET state = COALESCE($3, state), code = $4, updated_at = $5, address = COALESCE($6, address), \
               address_hash = COALESCE($7, address_hash), provider_id = COALESCE($8, provider_id), \
               unsent_of = CASE WHEN $3 IN ('sent', 'skipped', 'failed') THEN NULL ELSE unsent_of END WHERE delivery_id = $1 AND channel = $2 \
               AND (state <> 'skipped' OR $3 = 'sent')";
    let now = tx.clock().now();
    let (masked, hash) = (to.map(|to| &to.masked), to.map(|to| &to.hash));
    let provider_id = to.and_then(|to| to.provider_id.as_ref());
    let params: [&dyn ToValue; 8] = [
        &delivery,
        &channel.name(),
        &state,
        &code,
        &now,
        &masked,
        &hash,
        &provider_id,
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// How many of a notification wait to be sent, counted up to `most`.
pub(crate) async fn unsent(tx: &mut Tx, of: NotificationId, most: u32) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT delivery_id FROM sends WHERE unsent_of = $1 LIMIT $2) AS waiting";
    tx.fetch_one(sql, &[&of, &most]).await
}

/// Has at most so many of a notification not be sent, and says which.
pub(crate) async fn stop(
    tx: &mut Tx,
    of: NotificationId,
    limit: u32,
) -> Result<Vec<(DeliveryId, String)>, Error> {
    let sql = "UPDATE sends SET state = 'skipped', code = 'cancelled', unsent_of = NULL, updated_at = $2 \
               WHERE (delivery_id, channel) IN (SELECT delivery_id, channel FROM sends WHERE unsent_of = $1 \
               ORDER BY delivery_id LIMIT $3) AND unsent_of = $1 RETURNING delivery_id, channel";
    let now = tx.clock().now();
    tx.fetch_all(sql, &[&of, &now, &limit]).await
}

/// Notes what a provider reports of what it took. That something was delivered changes nothing else that is known. False if nothing
/// changed: it was not sent, or is not there.
pub(crate) async fn report(
    tx: &mut Tx,
    (delivery, channel): (DeliveryId, Channel),
    state: Option<&str>,
    code: &str,
) -> Result<bool, Error> {
    let sql = "UPDATE sends SET state = COALESCE($3, state), code = $4, updated_at = $5 WHERE delivery_id = $1 AND channel = $2 \
               AND state IN ('sent', 'failed') AND (code = 'sent' OR $4 <> 'delivered')";
    let now = tx.clock().now();
    let params: [&dyn ToValue; 5] = [&delivery, &channel.name(), &state, &code, &now];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// The delivery whose message a provider calls so.
pub(crate) async fn by_provider_id(tx: &mut Tx, id: &str) -> Result<Option<DeliveryId>, Error> {
    let sql = "SELECT delivery_id FROM sends WHERE provider_id = $1 AND provider_id IS NOT NULL LIMIT 1";
    tx.fetch_optional(sql, &[&id]).await
}

/// One channel of a delivery.
pub(crate) async fn get(db: &Db, delivery: DeliveryId, channel: Channel) -> Result<Option<SendRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM sends WHERE delivery_id = $1 AND channel = $2");
    db.fetch_optional(&sql, &[&delivery, &channel.name()]).await
}

/// All channels of a delivery: there are a handful.
pub(crate) async fn of(db: &Db, delivery: DeliveryId) -> Result<Vec<SendRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM sends WHERE delivery_id = $1");
    let mut rows: Vec<SendRow> = db.fetch_all(&sql, &[&delivery]).await?;
    rows.sort_by(|a, b| a.channel.cmp(&b.channel));
    Ok(rows)
}

/// Hashes of addresses that something was sent to by a channel, of these deliveries.
pub(crate) async fn address_hashes(
    tx: &mut Tx,
    channel: Channel,
    deliveries: &[DeliveryId],
) -> Result<Vec<Vec<u8>>, Error> {
    let mut hashes: Vec<Vec<u8>> = Vec::new();
    for id in deliveries {
        let sql = "SELECT address_hash FROM sends WHERE delivery_id = $1 AND channel = $2 AND address_hash IS NOT NULL";
        hashes.extend(tx.fetch_all::<Vec<u8>>(sql, &[id, &channel.name()]).await?);
    }
    hashes.sort();
    hashes.dedup();
    Ok(hashes)
}

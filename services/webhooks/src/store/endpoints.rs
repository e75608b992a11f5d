//! Endpoints: who has them, and how they do.

use futures::future::try_join_all;
use stoa_db::{Db, Error, FromRow, Json, List, ToValue, Tx};
use stoa_kernel::{Page, PageRequest, Timestamp};
use uuid::Uuid;

use crate::{
    events::{DisabledReason, EndpointId},
    owner::EndpointOwner,
    signature::Signature,
};

const COLUMNS: &str = "id, owner_kind, owner_id, url, description, events, header_names, headers, rate, is_ordered, signature, \
    is_enabled, disabled_reason, is_quick, failing_since, version, created_at, updated_at";

/// A row of `endpoints`.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct EndpointRow {
    pub(crate) id: EndpointId,
    owner_kind: String,
    owner_id: Uuid,
    pub(crate) url: String,
    pub(crate) description: String,
    pub(crate) events: Json<Vec<String>>,
    pub(crate) header_names: Json<Vec<String>>,
    /// Sealed.
    pub(crate) headers: Vec<u8>,
    pub(crate) rate: Option<u32>,
    pub(crate) is_ordered: bool,
    signature: String,
    pub(crate) is_enabled: bool,
    disabled_reason: Option<String>,
    pub(crate) is_quick: bool,
    pub(crate) failing_since: Option<Timestamp>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl EndpointRow {
    /// A new one, of which nothing is known yet.
    pub(crate) fn new(id: EndpointId, owner: EndpointOwner, signature: Signature, now: Timestamp) -> Self {
        Self {
            id,
            owner_kind: owner.kind().to_owned(),
            owner_id: owner.uuid(),
            url: String::new(),
            description: String::new(),
            events: Json(Vec::new()),
            header_names: Json(Vec::new()),
            headers: Vec::new(),
            rate: None,
            is_ordered: false,
            signature: signature.name().to_owned(),
            is_enabled: true,
            disabled_reason: None,
            is_quick: false,
            failing_since: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn owner(&self) -> EndpointOwner {
        EndpointOwner::of_row(&self.owner_kind, self.owner_id).unwrap_or(EndpointOwner::Installation)
    }

    pub(crate) fn signature(&self) -> Signature {
        Signature::of_name(&self.signature).unwrap_or(Signature::V1)
    }

    pub(crate) fn disabled_reason(&self) -> Option<DisabledReason> {
        self.disabled_reason.as_deref().and_then(DisabledReason::of_name)
    }

    pub(crate) fn enable(&mut self, enabled: bool) {
        self.is_enabled = enabled;
        self.disabled_reason = (!enabled).then(|| DisabledReason::Owner.name().to_owned());
        self.failing_since = None;
    }
}

/// The owner's, newest first.
pub(crate) async fn list(
    db: &Db,
    owner: EndpointOwner,
    page: &PageRequest,
) -> Result<Page<EndpointRow>, Error> {
    List::of("endpoints", COLUMNS)
        .filter("owner_kind = $", owner.kind())
        .filter("owner_id = $", owner.uuid())
        .page(db, page, |row: &EndpointRow| row.id)
        .await
}

/// Those of these owners that messages are sent to. Each owner is looked up by index; on PostgreSQL all are asked for at once.
pub(crate) async fn enabled_of(db: &Db, owners: &[EndpointOwner]) -> Result<Vec<EndpointRow>, Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM endpoints WHERE owner_kind = $1 AND owner_id = $2 AND is_enabled");
    let of = async |owner: &EndpointOwner| {
        let rows: Vec<EndpointRow> = db.fetch_all(&sql, &[&owner.kind(), &owner.uuid()]).await?;
        Ok::<_, Error>(rows)
    };
    let found = try_join_all(owners.iter().map(of)).await?;
    Ok(found.into_iter().flatten().collect())
}

pub(crate) async fn get(db: &Db, id: EndpointId) -> Result<Option<EndpointRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM endpoints WHERE id = $1");
    db.fetch_optional(&sql, &[&id]).await
}

pub(crate) async fn find(tx: &mut Tx, id: EndpointId) -> Result<Option<EndpointRow>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM endpoints WHERE id = $1");
    tx.fetch_optional(&sql, &[&id]).await
}

/// How many the owner has, counted up to `most`.
pub(crate) async fn count(tx: &mut Tx, owner: EndpointOwner, most: u32) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM (SELECT id FROM endpoints WHERE owner_kind = $1 AND owner_id = $2 LIMIT $3) AS theirs";
    tx.fetch_one(sql, &[&owner.kind(), &owner.uuid(), &most]).await
}

/// Writes a new one.
pub(crate) async fn insert(tx: &mut Tx, row: &EndpointRow) -> Result<(), Error> {
    let sql = format!(
        "INSERT INTO endpoints ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"
    );
    let (events, names) = (Json::text(&row.events.0)?, Json::text(&row.header_names.0)?);
    let params: [&dyn ToValue; 18] = [
        &row.id,
        &row.owner_kind,
        &row.owner_id,
        &row.url,
        &row.description,
        &events,
        &names,
        &row.headers,
        &row.rate,
        &row.is_ordered,
        &row.signature,
        &row.is_enabled,
        &row.disabled_reason,
        &row.is_quick,
        &row.failing_since,
        &row.version,
        &row.created_at,
        &row.updated_at,
    ];
    tx.execute(&sql, &params).await.map(drop)
}

/// Writes what its owner may change, if it still has version `seen`; says whether it had.
pub(crate) async fn save(tx: &mut Tx, row: &EndpointRow, seen: i64) -> Result<bool, Error> {
    let sql = "UPDATE endpoints SET url = $3, description = $4, events = $5, header_names = $6, headers = $7, rate = $8, is_ordered = $9, \
               is_enabled = $10, disabled_reason = $11, is_quick = $12, failing_since = $13, version = $14, updated_at = $15 \
               WHERE id = $1 AND version = $2";
    let (events, names) = (Json::text(&row.events.0)?, Json::text(&row.header_names.0)?);
    let params: [&dyn ToValue; 15] = [
        &row.id,
        &seen,
        &row.url,
        &row.description,
        &events,
        &names,
        &row.headers,
        &row.rate,
        &row.is_ordered,
        &row.is_enabled,
        &row.disabled_reason,
        &row.is_quick,
        &row.failing_since,
        &row.version,
        &row.updated_at,
    ];
    Ok(tx.execute(sql, &params).await? > 0)
}

/// Notes a good answer.
pub(crate) async fn succeeded(tx: &mut Tx, id: EndpointId, quick: bool) -> Result<(), Error> {
    let sql = "UPDATE endpoints SET failing_since = NULL, is_quick = $2 WHERE id = $1";
    tx.execute(sql, &[&id, &quick]).await.map(drop)
}

/// Notes that an attempt failed, unless one before it has.
pub(crate) async fn failed(tx: &mut Tx, id: EndpointId, at: Timestamp) -> Result<(), Error> {
    let sql =
        "UPDATE endpoints SET failing_since = COALESCE(failing_since, $2), is_quick = FALSE WHERE id = $1";
    tx.execute(sql, &[&id, &at]).await.map(drop)
}

/// Disables it. With `failing_since`, only if every attempt since then has failed still. False if it was not to be.
pub(crate) async fn disable(
    tx: &mut Tx,
    id: EndpointId,
    reason: DisabledReason,
    failing_since: Option<Timestamp>,
) -> Result<bool, Error> {
    let sql = "UPDATE endpoints SET is_enabled = FALSE, disabled_reason = $2, version = version + 1, updated_at = $3 \
               WHERE id = $1 AND is_enabled";
    let now = tx.clock().now();
    let disabled = match failing_since {
        None => tx.execute(sql, &[&id, &reason.name(), &now]).await?,
        Some(since) => {
            let sql = format!("{sql} AND failing_since = $4");
            tx.execute(&sql, &[&id, &reason.name(), &now, &since]).await?
        }
    };
    Ok(disabled > 0)
}

/// Deletes it; false if it was gone.
pub(crate) async fn delete(tx: &mut Tx, id: EndpointId) -> Result<bool, Error> {
    Ok(tx.execute("DELETE FROM endpoints WHERE id = $1", &[&id]).await? > 0)
}

/// At most so many ids of the owner's.
pub(crate) async fn ids_of(tx: &mut Tx, owner: EndpointOwner, limit: u32) -> Result<Vec<EndpointId>, Error> {
    let sql = "SELECT id FROM endpoints WHERE owner_kind = $1 AND owner_id = $2 ORDER BY id LIMIT $3";
    tx.fetch_all(sql, &[&owner.kind(), &owner.uuid(), &limit]).await
}

//! Entries as they are shown.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stoa_db::{Db, Error, List};
use stoa_kernel::{DEFAULT_LIMIT, Id, OrganizationId, Page, PageRequest, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    EntryTag,
    entry::ORGANIZATION,
    store::{COLUMNS, Row},
};

/// Entries of one call, at most. Callers that show pages have limits of their own.
const MOST: u32 = 1000;

/// One entry as it is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Names it; newer ones are greater.
    pub id: Id<EntryTag>,
    /// Its number in the chain, once sealed.
    pub seq: Option<i64>,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it; none when not known or Stoa itself.
    pub actor: Option<UserId>,
    /// `noun.verb`.
    pub action: String,
    /// What kind of thing it was done to.
    pub resource_kind: String,
    /// Which one.
    pub resource_id: Option<Uuid>,
    /// The organization that it was done for, or that it was done to.
    pub organization_id: Option<OrganizationId>,
    /// More.
    pub detail: Value,
    /// The request it was part of.
    pub request_id: Option<String>,
    /// The caller's address.
    pub address: Option<String>,
}

/// Which entries [`list`] returns: those that fit all that is set.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Done by this account.
    pub actor: Option<UserId>,
    /// Exactly this action.
    pub action: Option<String>,
    /// Done to this thing.
    pub resource_id: Option<Uuid>,
    /// Done for this organization, or to it.
    pub organization_id: Option<OrganizationId>,
    /// Older than this entry: the last one of the page before.
    pub before: Option<Id<EntryTag>>,
    /// At most so many; 0 for the usual number, and never more than 1000.
    pub limit: u32,
}

/// Entries, newest first.
///
/// # Errors
/// What the database says.
pub async fn list(db: &Db, filter: &Filter) -> Result<Vec<Record>, Error> {
    let limit = if filter.limit == 0 {
        DEFAULT_LIMIT
    } else {
        filter.limit.min(MOST)
    };
    let rows: Vec<Row> = of(filter).rows(db, filter.before.as_ref(), limit).await?;
    Ok(rows.into_iter().map(Record::from).collect())
}

/// A page of entries, newest first; the filter's own `before` and `limit` do not count.
///
/// # Errors
/// What the database says, and [`Error::Cursor`] when the cursor is not of this list.
pub async fn page(db: &Db, filter: &Filter, page: &PageRequest) -> Result<Page<Record>, Error> {
    let rows = of(filter).page(db, page, |row: &Row| row.id).await?;
    Ok(rows.map(Record::from))
}

fn of(filter: &Filter) -> List<'_> {
    List::of("audit", COLUMNS)
        .filter_some("actor = $", filter.actor)
        .filter_some("action = $", filter.action.as_deref())
        .filter_some("resource_id = $", filter.resource_id)
        .filter_some("organization_id = $", filter.organization_id)
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        // What is no JSON was not written by us; it is shown all the same.
        let mut detail = serde_json::from_str(&row.detail).unwrap_or(Value::String(row.detail));
        // It has a field of its own.
        if let Value::Object(fields) = &mut detail {
            fields.remove(ORGANIZATION);
        }
        Self {
            id: row.id,
            seq: row.seq,
            at: row.at,
            actor: row.actor,
            action: row.action,
            resource_kind: row.resource_kind,
            resource_id: row.resource_id,
            organization_id: row.organization_id,
            detail,
            request_id: row.request_id,
            address: row.address,
        }
    }
}

//! Profiles, by the page.

use serde::{Deserialize, Serialize};
use stoa_db::{Db, Error, FromRow, Row, ToValue};
use stoa_kernel::{Timestamp, text::folded};
use uuid::Uuid;

use super::profiles::ProfileRow;

/// Orders that a list can be asked for in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
    ByName,
    ByNameReversed,
}

/// Where a page ended: the last row's key in the list's order, and its id, for keys can be alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Position {
    /// Microseconds since 1970.
    #[serde(rename = "t")]
    Time(i64, Uuid),
    #[serde(rename = "n")]
    Name(String, Uuid),
}

/// What a list is to hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Part of the name, in any case.
    pub(crate) q: Option<String>,
    pub(crate) created_after: Option<Timestamp>,
    pub(crate) created_before: Option<Timestamp>,
    pub(crate) has_avatar: Option<bool>,
}

/// A profile and the key that it is ordered by name under.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) profile: ProfileRow,
    name_key: Vec<u8>,
}

impl FromRow for Listed {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            profile: ProfileRow::from_row(row)?,
            name_key: row.get(10, "name_key")?,
        })
    }
}

impl Listed {
    /// Where a page in this order ends that this row is the last of.
    pub(crate) fn position(&self, order: Order) -> Position {
        let id = self.profile.id.uuid();
        match order {
            Order::NewestFirst | Order::OldestFirst => {
                Position::Time(self.profile.created_at.as_microsecond(), id)
            }
            Order::ByName | Order::ByNameReversed => {
                Position::Name(String::from_utf8_lossy(&self.name_key).into_owned(), id)
            }
        }
    }
}

/// The statement and its parameters, grown together. Only our own text goes into the statement.
struct Query<'a> {
    sql: String,
    params: Vec<Box<dyn ToValue + Send + 'a>>,
}

impl<'a> Query<'a> {
    fn param(&mut self, value: impl ToValue + Send + 'a) -> String {
        self.params.push(Box::new(value));
        format!("${}", self.params.len())
    }

    fn and(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }
}

/// At most `limit` profiles after `after`. None when the position is of a list in another order, or of no time there is.
pub(crate) async fn list(
    db: &Db,
    filter: &Filter,
    order: Order,
    after: Option<&Position>,
    limit: u32,
) -> Result<Option<Vec<Listed>>, Error> {
    let (column, direction, beyond) = match order {
        Order::NewestFirst => ("created_at", "DESC", "<"),
        Order::OldestFirst => ("created_at", "ASC", ">"),
        Order::ByName => ("name_key", "ASC", ">"),
        Order::ByNameReversed => ("name_key", "DESC", "<"),
    };
    let mut query = filtered(filter);
    if let Some(position) = after {
        let (key, id) = match (position, column) {
            (Position::Time(micros, id), "created_at") => {
                let Ok(time) = Timestamp::from_microsecond(*micros) else {
                    return Ok(None);
                };
                (query.param(time), *id)
            }
            (Position::Name(name, id), "name_key") => (query.param(name.as_bytes()), *id),
            _ => return Ok(None),
        };
        let id = query.param(id);
        query.and(&format!("({column}, id) {beyond} ({key}, {id})"));
    }
    let limit = query.param(limit);
    query.sql.push_str(&format!(
        " ORDER BY {column} {direction}, id {direction} LIMIT {limit}"
    ));
    let params: Vec<&dyn ToValue> = query
        .params
        .iter()
        .map(|param| &**param as &dyn ToValue)
        .collect();
    db.fetch_all(&query.sql, &params).await.map(Some)
}

fn filtered(filter: &Filter) -> Query<'_> {
    let sql = "SELECT id, user_id, first_name, last_name, bio, avatar, version, created_at, updated_at, registered, name_key \
               FROM profiles WHERE 1 = 1";
    let mut query = Query {
        sql: sql.to_owned(),
        params: Vec::new(),
    };
    if let Some(part) = &filter.q {
        let pattern = query.param(containing(part));
        query.and(&format!("search_text LIKE {pattern} ESCAPE '\\'"));
    }
    if let Some(time) = filter.created_after {
        let time = query.param(time);
        query.and(&format!("created_at > {time}"));
    }
    if let Some(time) = filter.created_before {
        let time = query.param(time);
        query.and(&format!("created_at < {time}"));
    }
    match filter.has_avatar {
        Some(true) => query.and("avatar IS NOT NULL"),
        Some(false) => query.and("avatar IS NULL"),
        None => {}
    }
    query
}

/// A pattern for texts that hold `part`, in which nothing of `part` means anything but itself.
fn containing(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for c in folded(part).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_themselves() {
        assert_eq!(containing(r"50%_\É"), r"%50\%\_\\é%");
    }
}

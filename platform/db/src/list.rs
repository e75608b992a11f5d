//! Lists by the page: filters and the place to go on from, as one statement.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use stoa_kernel::{Cursor, Page, PageRequest};

use crate::{Db, Engine, Error, FromRow, FromValue, ToValue, ValueRef, value::check};

/// A list: its rows, which of them, and their order. Only texts of our own go into the statement; values are parameters. Each set of
/// filters is a statement of its own, so that its plan uses the index that fits it.
///
/// ```ignore
/// List::of("products", "id, name, price")
///     .filter("shop_id = $", shop)
///     .filter_some("price <= $", filter.price_max)
///     .order(&["price", "id"], Direction::Ascending)
///     .page(db, page, |row: &ProductRow| (row.price, row.id))
///     .await
/// ```
pub struct List<'a> {
    table: &'static str,
    columns: String,
    index: Option<&'static str>,
    conditions: String,
    params: Vec<Box<dyn ToValue + Send + 'a>>,
    order: &'static [&'static str],
    direction: Direction,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The least.
    Ascending,
    /// The greatest.
    Descending,
}

impl<'a> List<'a> {
    /// These columns of a table's rows, by the column `id` with the greatest first: with ids of ours, the newest.
    #[must_use]
    pub fn of(table: &'static str, columns: impl Into<String>) -> Self {
        Self {
            table,
            columns: columns.into(),
            index: None,
            conditions: String::new(),
            params: Vec::new(),
            order: &["id"],
            direction: Direction::Descending,
        }
    }

    /// Only rows for which this holds, with `value` in place of its `$`.
    #[must_use]
    pub fn filter(mut self, condition: &'static str, value: impl ToValue + Send + 'a) -> Self {
        let place = self.param(value);
        let condition = condition.replacen('$', &place, 1);
        self.and(condition)
    }

    /// The same where there is a value.
    #[must_use]
    pub fn filter_some(self, condition: &'static str, value: Option<impl ToValue + Send + 'a>) -> Self {
        match value {
            Some(value) => self.filter(condition, value),
            None => self,
        }
    }

    /// Only rows for which this holds.
    #[must_use]
    pub fn and(mut self, condition: impl Into<String>) -> Self {
        let word = if self.conditions.is_empty() {
            " WHERE "
        } else {
            " AND "
        };
        self.conditions += word;
        self.conditions += &condition.into();
        self
    }

    /// Ordered by these columns, one or two. Together they are unique and never NULL, and an index has them, after those that are
    /// filtered by equality.
    #[must_use]
    pub fn order(mut self, columns: &'static [&'static str], direction: Direction) -> Self {
        (self.order, self.direction) = (columns, direction);
        self
    }

    /// Read by this index on SQLite, where a filter has an index as well that is not in this order, by which SQLite would sort all
    /// that there is.
    #[must_use]
    pub fn by_index(mut self, index: &'static str) -> Self {
        self.index = Some(index);
        self
    }

    /// One page. `position` reads from a row what the list is ordered by.
    ///
    /// # Errors
    /// [`Error::Cursor`] when the cursor is not of this list in this order; else what the engine says.
    pub async fn page<T: FromRow, P: Position>(
        self,
        db: &Db,
        page: &PageRequest,
        position: impl Fn(&T) -> P,
    ) -> Result<Page<T>, Error> {
        let order = self.order[0];
        let after = page.cursor.as_deref().map(read_cursor::<P>).transpose()?;
        if after.as_ref().is_some_and(|(of, _)| of != order) {
            return Err(Error::Cursor);
        }
        let after = after.map(|(_, position)| position);
        let rows = self.rows(db, after.as_ref(), page.limit + 1).await?;
        Ok(Page::cut(rows, page.limit, |row| (order, position(row))))
    }

    /// At most `limit` rows after `after`, for readers other than callers.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn rows<T: FromRow>(
        self,
        db: &Db,
        after: Option<&impl Position>,
        limit: u32,
    ) -> Result<Vec<T>, Error> {
        let values = after.map(Position::values).unwrap_or_default();
        let sql = self.sql(db.engine(), values.len());
        let own = self.params.iter().map(|param| &**param as &dyn ToValue);
        let params: Vec<&dyn ToValue> = own.chain(values).chain([&limit as _]).collect();
        db.fetch_all(&sql, &params).await
    }

    /// The statement, going on from as many values as come after the parameters of the filters.
    fn sql(&self, engine: Engine, values: usize) -> String {
        let (word, beyond) = match self.direction {
            Direction::Ascending => ("ASC", '>'),
            Direction::Descending => ("DESC", '<'),
        };
        let table = self.index.map_or_else(
            || self.table.to_owned(),
            |index| engine.by_index(self.table, index),
        );
        let mut sql = format!("SELECT {} FROM {table}{}", self.columns, self.conditions);
        let last = self.params.len() + values;
        if values > 0 {
            let places: Vec<_> = (self.params.len()..last)
                .map(|at| format!("${}", at + 1))
                .collect();
            let joint = if self.conditions.is_empty() {
                "WHERE"
            } else {
                "AND"
            };
            sql += &format!(
                " {joint} ({}) {beyond} ({})",
                self.order.join(", "),
                places.join(", ")
            );
        }
        let order: Vec<_> = self
            .order
            .iter()
            .map(|column| format!("{column} {word}"))
            .collect();
        sql + &format!(" ORDER BY {} LIMIT ${}", order.join(", "), last + 1)
    }

    fn param(&mut self, value: impl ToValue + Send + 'a) -> String {
        self.params.push(Box::new(value));
        format!("${}", self.params.len())
    }
}

/// The order and the position in it. What no database takes is no position of ours.
fn read_cursor<P: Position>(text: &str) -> Result<(String, P), Error> {
    let (order, position): (String, P) = Cursor::decode(text).map_err(|_| Error::Cursor)?;
    check(&position.values()).map_err(|_| Error::Cursor)?;
    Ok((order, position))
}

/// Values of the columns that a list is ordered by: one value, or a tuple of two.
pub trait Position: Serialize + DeserializeOwned {
    /// As parameters.
    fn values(&self) -> Vec<&dyn ToValue>;
}

impl<A: ToValue + Serialize + DeserializeOwned> Position for A {
    fn values(&self) -> Vec<&dyn ToValue> {
        vec![self]
    }
}

impl<A, B> Position for (A, B)
where
    A: ToValue + Serialize + DeserializeOwned,
    B: ToValue + Serialize + DeserializeOwned,
{
    fn values(&self) -> Vec<&dyn ToValue> {
        vec![&self.0, &self.1]
    }
}

/// Text in a BYTEA column. Both engines order bytes alike, and text not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderedText(pub String);

impl ToValue for OrderedText {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Bytes(self.0.as_bytes())
    }
}

impl FromValue for OrderedText {
    fn from_value(value: ValueRef<'_>) -> Result<Self, String> {
        String::from_utf8(Vec::from_value(value)?)
            .map(Self)
            .map_err(|_| "bytes that are not UTF-8".to_owned())
    }
}

/// A pattern of `LIKE $ ESCAPE '\'` for texts that hold `part`, in which `%` and `_` stand for themselves.
#[must_use]
pub fn containing(part: &str) -> String {
    let mut pattern = String::with_capacity(part.len() + 2);
    pattern.push('%');
    for c in part.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

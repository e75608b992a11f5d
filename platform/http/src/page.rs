//! `?cursor=&limit=`.

use garde::Validate;
use serde::{Deserialize, de::DeserializeOwned};
use stoa_kernel::{Cursor, DEFAULT_LIMIT};

use crate::{Failure, Result};

/// Which page of a list. An extractor by `Query<PageQuery>` where a list has no filters; a list with filters has a
/// type of its own with these two fields, and makes a `PageQuery` of them.
#[derive(Clone, Debug, Default, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next_cursor` of the page before; absent or empty for the first.
    #[garde(skip)]
    pub cursor: Option<String>,
    /// Items of a page at most, 1 to 100; 20 if absent.
    #[garde(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: Option<u32>,
}

impl PageQuery {
    /// Items of a page at most.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }

    /// What the page starts after; none for the first page.
    ///
    /// # Errors
    /// 422 naming `cursor` when it was not given out by a list of such positions.
    pub fn position<P: DeserializeOwned>(&self) -> Result<Option<P>> {
        let given = self.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let position = given.map(Cursor::decode).transpose();
        position.map_err(|error| Failure::invalid("cursor", "invalid", error.to_string()))
    }
}

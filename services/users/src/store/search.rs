//! Profiles, by the page.

use garde::Validate;
use serde::Deserialize;
use stoa_db::{Db, Direction, Error, FromRow, List, OrderedText, Row, containing};
use stoa_kernel::{Page, PageRequest, Timestamp, text::folded};
use utoipa::{IntoParams, ToSchema};

use super::profiles::ProfileRow;

/// Order of the list; `-` is descending.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
pub(crate) enum Sort {
    #[default]
    #[serde(rename = "-created_at")]
    NewestFirst,
    #[serde(rename = "created_at")]
    OldestFirst,
    /// By "last first" in lower case, character by character.
    #[serde(rename = "name")]
    ByName,
    #[serde(rename = "-name")]
    ByNameReversed,
}

/// What the list is to hold.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Part of "first last", in any case. `%` and `_` stand for themselves.
    #[garde(length(chars, max = 100))]
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only profiles made after this time.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stoa_http::time::optional")]
    created_after: Option<Timestamp>,
    /// Only profiles made before this time.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stoa_http::time::optional")]
    created_before: Option<Timestamp>,
    /// Only profiles with, or without, a picture.
    #[garde(skip)]
    has_avatar: Option<bool>,
    /// Order of the list; `-created_at` if absent.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, required = false)]
    sort: Sort,
}

/// A profile and the key that it is ordered by name under.
struct Listed {
    profile: ProfileRow,
    name_key: OrderedText,
}

impl FromRow for Listed {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            profile: ProfileRow::from_row(row)?,
            name_key: row.get(10, "name_key")?,
        })
    }
}

/// A page of profiles.
pub(crate) async fn list(db: &Db, filter: &Filter, page: &PageRequest) -> Result<Page<ProfileRow>, Error> {
    let q = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty());
    let mut list = List::of(
        "profiles",
        "id, user_id, first_name, last_name, bio, avatar, version, created_at, updated_at, registered, name_key",
    )
    .filter_some(r"search_text LIKE $ ESCAPE '\'", q.map(|q| containing(&folded(q))))
    .filter_some("created_at > $", filter.created_after)
    .filter_some("created_at < $", filter.created_before);
    if let Some(has_avatar) = filter.has_avatar {
        list = list.and(if has_avatar {
            "avatar IS NOT NULL"
        } else {
            "avatar IS NULL"
        });
    }
    let direction = match filter.sort {
        Sort::NewestFirst | Sort::ByNameReversed => Direction::Descending,
        Sort::OldestFirst | Sort::ByName => Direction::Ascending,
    };
    let by_time = |row: &Listed| (row.profile.created_at, row.profile.id);
    let by_name = |row: &Listed| (row.name_key.clone(), row.profile.id);
    let page = match filter.sort {
        Sort::NewestFirst | Sort::OldestFirst => {
            let list = list
                .order(&["created_at", "id"], direction)
                .by_index("profiles_by_time");
            list.page(db, page, by_time).await?
        }
        Sort::ByName | Sort::ByNameReversed => {
            let list = list
                .order(&["name_key", "id"], direction)
                .by_index("profiles_by_name");
            list.page(db, page, by_name).await?
        }
    };
    Ok(page.map(|row| row.profile))
}

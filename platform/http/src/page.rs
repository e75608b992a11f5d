//! `?cursor=&limit=`, beside a list's own filters.

use axum::extract::FromRequestParts;
use garde::Validate;
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};
use stoa_kernel::{DEFAULT_LIMIT, PageRequest};
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use crate::{Failure, Result, query, validation};

/// Which page of a list, and by which filters: `F` is a struct of query parameters with `deny_unknown_fields`. An endpoint names it
/// among its parameters, `params(Paged<ItemFilter>)`, and hands `page` to the store, where a `stoa_db::List` makes the page.
#[derive(Clone, Debug)]
pub struct Paged<F = Unfiltered> {
    /// Which of the list's items.
    pub filter: F,
    /// Which page of them.
    pub page: PageRequest,
}

/// A list without filters.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Unfiltered {}

impl<S, F> FromRequestParts<S> for Paged<F>
where
    S: Send + Sync,
    F: DeserializeOwned + Validate<Context = ()>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let pairs = query::checked(parts.uri.query().unwrap_or_default())?;
        let (of_page, of_filter) = pairs
            .into_iter()
            .partition(|(name, _)| matches!(&**name, "cursor" | "limit"));
        let (page, filter) = (query::read::<PageQuery>(of_page)?, query::read(of_filter)?);
        match (validation::check(&filter), validation::check(&page)) {
            (Ok(()), Ok(())) => Ok(Self {
                filter,
                page: page.into(),
            }),
            (Err(mut all), Err(more)) => {
                all.problem.errors.extend(more.problem.errors);
                Err(all)
            }
            (Err(failure), Ok(())) | (Ok(()), Err(failure)) => Err(failure),
        }
    }
}

impl<F: IntoParams> IntoParams for Paged<F> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let query = || Some(ParameterIn::Query);
        let mut params = F::into_params(query);
        params.extend(PageQuery::into_params(query));
        params
    }
}

/// The parameters that every list has.
#[derive(Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// `next_cursor` of the page before, in the same order; absent or empty for the first.
    #[garde(skip)]
    cursor: Option<String>,
    /// Items of a page at most, 1 to 100; 20 if absent.
    #[garde(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

impl From<PageQuery> for PageRequest {
    fn from(query: PageQuery) -> Self {
        Self {
            limit: query.limit.unwrap_or(DEFAULT_LIMIT),
            cursor: query.cursor.filter(|cursor| !cursor.is_empty()),
        }
    }
}

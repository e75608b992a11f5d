//! Other people's profiles.

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use stoa_http::{Actor, Failure, Json, PageQuery, Path, Query, Result, SignedIn, codes};
use stoa_kernel::{Page, Timestamp, UserId};
use utoipa::ToSchema;

use super::{
    me::{Tagged, tagged},
    scopes::UsersRead,
};
use crate::{
    ctx::Ctx,
    ops::people,
    store::search::{Filter, Order, Position},
    view::Profile,
};

/// A person's profile.
///
/// For the person, for those with the permission `users.read`, and for those who were granted it on this profile. All
/// others are refused alike, whether there is such a person or not. The person sees in their activity who looked and when.
#[utoipa::path(
    get, path = "/api/v1/users/{user_id}", tags = ["users"], operation_id = "users_read",
    params(("user_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "The profile", body = Profile, headers(("etag" = String, description = "The version"))))
)]
pub(super) async fn read(
    actor: Actor<SignedIn>,
    State(ctx): State<Ctx>,
    Path(user): Path<UserId>,
) -> Result<Tagged> {
    if !people::may_read(&ctx, &actor, user).await? {
        return Err(Failure::new(codes::FORBIDDEN));
    }
    Ok(tagged(people::read(&ctx, &actor, user).await?))
}

/// Order of the list; `-` is descending.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
enum Sort {
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
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Part of "first last", in any case. `%` and `_` stand for themselves.
    #[garde(length(chars, max = 100))]
    #[param(max_length = 100)]
    q: Option<String>,
    /// Only profiles made after this time.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stoa_http::time::optional")]
    #[param(value_type = Option<String>, format = DateTime)]
    created_after: Option<Timestamp>,
    /// Only profiles made before this time.
    #[garde(skip)]
    #[serde(default, deserialize_with = "stoa_http::time::optional")]
    #[param(value_type = Option<String>, format = DateTime)]
    created_before: Option<Timestamp>,
    /// Only profiles with, or without, a picture.
    #[garde(skip)]
    has_avatar: Option<bool>,
    /// Order of the list; `-created_at` if absent.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, required = false)]
    sort: Sort,
    /// `next_cursor` of the page before, in the same order; absent for the first.
    #[garde(skip)]
    cursor: Option<String>,
    /// Items of a page at most, 1 to 100; 20 if absent.
    #[garde(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// Everybody's profiles.
///
/// Each person on the page sees in their activity who looked and when; the page is one entry of the audit log.
#[utoipa::path(
    get, path = "/api/v1/users", tags = ["users"], operation_id = "users_list",
    params(ListQuery),
    responses((status = 200, description = "A page of profiles", body = Page<Profile>))
)]
pub(super) async fn list(
    actor: Actor<UsersRead>,
    State(ctx): State<Ctx>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<Profile>>> {
    let page = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    };
    let (limit, after) = (page.limit(), page.position::<Position>()?);
    let filter = Filter {
        q: query.q.map(|q| q.trim().to_owned()).filter(|q| !q.is_empty()),
        created_after: query.created_after,
        created_before: query.created_before,
        has_avatar: query.has_avatar,
    };
    let order = match query.sort {
        Sort::NewestFirst => Order::NewestFirst,
        Sort::OldestFirst => Order::OldestFirst,
        Sort::ByName => Order::ByName,
        Sort::ByNameReversed => Order::ByNameReversed,
    };
    let rows = people::list(&ctx, &filter, order, after.as_ref(), limit).await?;
    let rows = rows
        .ok_or_else(|| Failure::invalid("cursor", "invalid", "This cursor is not of a list in this order"))?;
    let page = Page::cut(rows, limit, |row| row.position(order));
    people::note_page(&ctx, &actor, page.items.iter().map(|row| row.profile.user_id)).await?;
    Ok(Json(page.map(|row| row.profile.into())))
}

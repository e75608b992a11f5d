//! The texts of notifications.

use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stoa_http::{Actor, Json, Paged, Path, Query, Result};
use stoa_kernel::{Page, Timestamp};
use utoipa::ToSchema;

use super::scopes::{TemplatesRead, TemplatesWrite};
use crate::{
    ctx::Ctx,
    error::Error,
    ops::templates::{self, Used, Written},
    store::templates::{self as store, Key, TemplateRow},
    texts::{Rendered, Sources},
};

/// A text of a type for one channel in one language, as templates.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsTemplate {
    #[serde(rename = "type")]
    kind: String,
    #[schema(value_type = super::types::NotificationsChannel)]
    channel: String,
    #[schema(example = "pt-BR")]
    language: String,
    /// 0: the one that came with the program.
    version: i64,
    /// The newest version that there was.
    newest_version: i64,
    subject: String,
    text: String,
    html: String,
    /// What the HTML was made of; else empty.
    mjml: String,
    link: String,
    /// When somebody wrote it; null for the one that came with the program.
    #[schema(required)]
    created_at: Option<Timestamp>,
}

impl From<Used> for NotificationsTemplate {
    fn from(used: Used) -> Self {
        Self {
            kind: used.kind.to_owned(),
            newest_version: used.newest,
            channel: used.row.channel,
            language: used.row.language,
            version: used.row.version,
            subject: used.row.subject,
            text: used.row.body,
            html: used.row.html,
            mjml: used.row.mjml,
            link: used.row.link,
            created_at: (used.row.version > 0).then_some(used.row.created_at),
        }
    }
}

/// Texts that are used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsTemplates {
    items: Vec<NotificationsTemplate>,
}

/// Of which type.
#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TemplateFilter {
    /// The name of the type.
    #[serde(rename = "type")]
    #[garde(length(bytes, max = 100))]
    #[param(max_length = 100)]
    kind: String,
}

/// The texts of a type that are used.
#[utoipa::path(
    get, path = "/api/v1/notifications/templates", tags = ["notifications"], operation_id = "notifications_list_templates",
    params(TemplateFilter),
    responses((status = 200, description = "By channel and language", body = NotificationsTemplates))
)]
pub(super) async fn list(
    _: Actor<TemplatesRead>,
    State(ctx): State<Ctx>,
    Query(filter): Query<TemplateFilter>,
) -> Result<Json<NotificationsTemplates>> {
    let kind = ctx.types.get(&filter.kind).ok_or_else(|| {
        let message = "No service sends notifications of this type".to_owned();
        Error::Field("type", "unknown", message)
    })?;
    let items = templates::of_type(&ctx, kind).await?.into_iter();
    Ok(Json(NotificationsTemplates {
        items: items.map(NotificationsTemplate::from).collect(),
    }))
}

/// A text that is used.
#[utoipa::path(
    get, path = "/api/v1/notifications/templates/{type}/{channel}/{language}", tags = ["notifications"], operation_id = "notifications_read_template",
    params(("type" = String, Path), ("channel" = String, Path), ("language" = String, Path, example = "de")),
    responses((status = 200, description = "The text", body = NotificationsTemplate))
)]
pub(super) async fn read(
    _: Actor<TemplatesRead>,
    State(ctx): State<Ctx>,
    Path(key): Path<(String, String, String)>,
) -> Result<Json<NotificationsTemplate>> {
    Ok(Json(templates::read(&ctx, &of(key)).await?.into()))
}

fn of((kind, channel, language): (String, String, String)) -> Key {
    Key {
        kind,
        channel,
        language,
    }
}

/// A version of a text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsTemplateVersion {
    version: i64,
    subject: String,
    text: String,
    html: String,
    /// What the HTML was made of; else empty.
    mjml: String,
    link: String,
    created_at: Timestamp,
}

impl From<TemplateRow> for NotificationsTemplateVersion {
    fn from(row: TemplateRow) -> Self {
        Self {
            version: row.version,
            subject: row.subject,
            text: row.body,
            html: row.html,
            mjml: row.mjml,
            link: row.link,
            created_at: row.created_at,
        }
    }
}

/// The versions of a text, newest first. The last hundred are kept.
#[utoipa::path(
    get, path = "/api/v1/notifications/templates/{type}/{channel}/{language}/versions", tags = ["notifications"], operation_id = "notifications_list_template_versions",
    params(("type" = String, Path), ("channel" = String, Path), ("language" = String, Path, example = "de"), Paged),
    responses((status = 200, description = "A page of versions", body = Page<NotificationsTemplateVersion>))
)]
pub(super) async fn versions(
    _: Actor<TemplatesRead>,
    State(ctx): State<Ctx>,
    Path(key): Path<(String, String, String)>,
    Paged { page, .. }: Paged,
) -> Result<Json<Page<NotificationsTemplateVersion>>> {
    let key = of(key);
    templates::known(&ctx, &key)?;
    let rows = store::versions(&ctx.db, &key, &page).await?;
    Ok(Json(rows.map(NotificationsTemplateVersion::from)))
}

/// A text, as templates of [minijinja](https://docs.rs/minijinja).
///
/// They can show data, decide and repeat. What is not in the type's sample is not known. HTML may extend `layout.html` with a block `body`.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsWriteTemplate {
    /// Subject of a mail, title of what is shown.
    #[garde(length(bytes, max = 1000))]
    #[schema(max_length = 1000)]
    subject: String,
    #[garde(length(bytes, min = 1, max = 32768))]
    #[schema(min_length = 1, max_length = 32768)]
    text: String,
    /// The same as HTML, for mails; empty: the text alone.
    #[garde(length(bytes, max = 32768))]
    #[serde(default)]
    #[schema(max_length = 32768)]
    html: String,
    /// In place of `html`: [MJML](https://documentation.mjml.io), of which the HTML is made when it is saved. What stands between elements, such as a loop over
    /// sections, goes into `mj-raw`. Nothing is included.
    #[garde(length(bytes, max = 32768))]
    #[serde(default)]
    #[schema(max_length = 32768)]
    mjml: String,
    /// A path below this server's address; empty: nowhere.
    #[garde(length(bytes, max = 1000))]
    #[serde(default)]
    #[schema(max_length = 1000)]
    link: String,
}

impl NotificationsWriteTemplate {
    fn written(&self) -> Written<'_> {
        Written {
            sources: Sources {
                subject: &self.subject,
                text: &self.text,
                html: &self.html,
                link: &self.link,
            },
            mjml: &self.mjml,
        }
    }
}

/// Write a text.
///
/// It is a new version, and used from now on. Refused with `422`, naming the part and the line, when it cannot be made of the type's
/// sample: by its syntax, a variable that is not known, or too many steps or bytes.
#[utoipa::path(
    put, path = "/api/v1/notifications/templates/{type}/{channel}/{language}", tags = ["notifications"], operation_id = "notifications_write_template",
    params(("type" = String, Path), ("channel" = String, Path), ("language" = String, Path, example = "de")),
    request_body = NotificationsWriteTemplate,
    responses((status = 200, description = "The text as it is used", body = NotificationsTemplate))
)]
pub(super) async fn write(
    actor: Actor<TemplatesWrite>,
    State(ctx): State<Ctx>,
    Path(key): Path<(String, String, String)>,
    Json(body): Json<NotificationsWriteTemplate>,
) -> Result<Json<NotificationsTemplate>> {
    Ok(Json(
        templates::write(&ctx, &actor, &of(key), &body.written())
            .await?
            .into(),
    ))
}

/// Withdraw a text of a language that was added.
///
/// It is not used from now on: its readers get the text of the next language, in the end the English one. Its versions are kept, and one of
/// them can be used again. `409 template_needed`: a text of this language came with the program; version 0 is that.
#[utoipa::path(
    delete, path = "/api/v1/notifications/templates/{type}/{channel}/{language}", tags = ["notifications"], operation_id = "notifications_withdraw_template",
    params(("type" = String, Path), ("channel" = String, Path), ("language" = String, Path, example = "fr")),
    responses((status = 204, description = "It is not used any more"))
)]
pub(super) async fn withdraw(
    actor: Actor<TemplatesWrite>,
    State(ctx): State<Ctx>,
    Path(key): Path<(String, String, String)>,
) -> Result<StatusCode> {
    templates::withdraw(&ctx, &actor, &of(key)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// To which version.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsRollBackTemplate {
    /// 0: the one that came with the program.
    #[garde(range(min = 0))]
    #[schema(minimum = 0)]
    version: i64,
}

/// Use an earlier version of a text.
#[utoipa::path(
    post, path = "/api/v1/notifications/templates/{type}/{channel}/{language}/rollback", tags = ["notifications"], operation_id = "notifications_roll_back_template",
    params(("type" = String, Path), ("channel" = String, Path), ("language" = String, Path, example = "de")),
    request_body = NotificationsRollBackTemplate,
    responses((status = 200, description = "The text as it is used", body = NotificationsTemplate))
)]
pub(super) async fn roll_back(
    actor: Actor<TemplatesWrite>,
    State(ctx): State<Ctx>,
    Path(key): Path<(String, String, String)>,
    Json(body): Json<NotificationsRollBackTemplate>,
) -> Result<Json<NotificationsTemplate>> {
    Ok(Json(
        templates::roll_back(&ctx, &actor, &of(key), body.version)
            .await?
            .into(),
    ))
}

/// A text to be tried.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NotificationsPreviewTemplate {
    #[serde(rename = "type")]
    #[garde(length(bytes, max = 100))]
    #[schema(max_length = 100)]
    kind: String,
    #[garde(length(bytes, max = 20))]
    #[schema(value_type = super::types::NotificationsChannel)]
    channel: String,
    #[garde(length(bytes, max = 35))]
    #[schema(max_length = 35, example = "de")]
    language: String,
    #[garde(dive)]
    template: NotificationsWriteTemplate,
    /// In place of the type's sample.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

/// What a text makes of its data.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationsRendered {
    subject: String,
    text: String,
    #[schema(required)]
    html: Option<String>,
    #[schema(required)]
    link: Option<String>,
}

impl From<Rendered> for NotificationsRendered {
    fn from(made: Rendered) -> Self {
        Self {
            subject: made.subject,
            text: made.text,
            html: made.html,
            link: made.link,
        }
    }
}

/// Try a text with the type's sample or other data. Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/notifications/templates/preview", tags = ["notifications"], operation_id = "notifications_preview_template",
    request_body = NotificationsPreviewTemplate,
    responses((status = 200, description = "What it makes", body = NotificationsRendered))
)]
pub(super) async fn preview(
    _: Actor<TemplatesRead>,
    State(ctx): State<Ctx>,
    Json(body): Json<NotificationsPreviewTemplate>,
) -> Result<Json<NotificationsRendered>> {
    let key = Key {
        kind: body.kind,
        channel: body.channel,
        language: body.language,
    };
    let made = templates::preview(&ctx, &key, &body.template.written(), body.data);
    let made = made.map_err(|error| match error {
        Error::NotFound => Error::Field(
            "type",
            "unknown",
            "There is no text of this type for this channel".to_owned(),
        ),
        other => other,
    })?;
    Ok(Json(made.into()))
}

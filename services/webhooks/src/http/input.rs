//! What is wrong with an endpoint as it is wanted.

use garde::Validate;
use serde::Deserialize;
use stoa_http::{Failure, Result, is_line};
use stoa_kernel::text;
use utoipa::ToSchema;

use crate::{
    ctx::Ctx,
    filters,
    headers::{self, Headers},
    ops::endpoints::Wanted,
    owner::EndpointOwner,
};

/// What an endpoint is to be. A field that is absent stays as it is, or is as it is by default.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhooksUpdateEndpoint {
    /// Where messages are sent: `https://…`, to an address of the public internet.
    #[serde(default)]
    #[garde(skip)]
    #[schema(max_length = 2048)]
    pub(super) url: Option<String>,
    /// A line about it.
    #[serde(default)]
    #[garde(inner(custom(is_description)))]
    #[schema(max_length = 200)]
    pub(super) description: Option<String>,
    /// Which events it is given: names such as `user.registered`, whole nouns such as `user.*`, or `*`.
    #[serde(default)]
    #[garde(skip)]
    #[schema(min_items = 1, max_items = 100)]
    pub(super) events: Option<Vec<String>>,
    /// Headers that are sent along, such as `Authorization`. Their values are never shown again. All of them, in place of those before.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    pub(super) headers: Option<Headers>,
    /// Messages a second at most; null for no limit.
    #[serde(default, deserialize_with = "given")]
    #[garde(inner(inner(range(min = 1, max = 1000))))]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub(super) rate: Option<Option<u32>>,
    /// Whether each message waits until the one before it has arrived or was given up. Then one at a time is sent.
    #[serde(default)]
    #[garde(skip)]
    pub(super) ordered: Option<bool>,
    /// Whether messages are sent to it.
    #[serde(default)]
    #[garde(skip)]
    pub(super) enabled: Option<bool>,
}

/// Tells a field that is null from one that is absent.
fn given<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[expect(clippy::ptr_arg, reason = "garde hands it over so")]
pub(super) fn is_description(description: &String, (): &()) -> garde::Result {
    if description.is_empty() {
        return Ok(());
    }
    is_line(description, 200)
}

impl WebhooksUpdateEndpoint {
    /// As the use cases take it.
    ///
    /// # Errors
    /// 422 that names the fields.
    pub(super) fn wanted(self, ctx: &Ctx, owner: EndpointOwner) -> Result<Wanted> {
        let url = self
            .url
            .as_deref()
            .map(|url| ctx.outbound.check_url(url))
            .transpose();
        let url = url.map_err(|why| Failure::invalid("url", "refused", why.to_string()))?;
        if let Some(filters) = &self.events {
            check_events(filters, ctx, owner)?;
        }
        let headers = self.headers.as_ref().map(headers::checked).transpose();
        let headers = headers.map_err(|(name, code, why)| {
            let field = if name.is_empty() {
                "headers".to_owned()
            } else {
                format!("headers.{name}")
            };
            Failure::invalid(field, code, why)
        })?;
        Ok(Wanted {
            url,
            description: self.description.map(|line| text::line(&line).unwrap_or_default()),
            events: self.events.map(normal),
            headers,
            rate: self.rate,
            ordered: self.ordered,
            enabled: self.enabled,
        })
    }
}

/// Each once, in order.
fn normal(mut filters: Vec<String>) -> Vec<String> {
    filters.sort_unstable();
    filters.dedup();
    filters
}

fn check_events(given: &[String], ctx: &Ctx, owner: EndpointOwner) -> Result<()> {
    if given.is_empty() || given.len() > filters::MOST {
        let why = format!("1 to {} filters are given", filters::MOST);
        return Err(Failure::invalid("events", "length", why));
    }
    for (at, filter) in given.iter().enumerate() {
        if !filters::is_known(filter, &ctx.catalogue, owner) {
            let why = "There is no such event type; GET /api/v1/webhooks/event-types lists them";
            return Err(Failure::invalid(format!("events[{at}]"), "unknown_event", why));
        }
    }
    Ok(())
}

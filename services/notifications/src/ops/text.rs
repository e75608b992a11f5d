//! The text of a notification for one person: in their language, from the templates that are used.

use serde_json::{Map, Value};
use stoa_service::{Channel, DefaultTemplate, NotificationType};

use super::send::Ended;
use crate::{
    ctx::Ctx,
    error::Error,
    store::templates::{self, TemplateRow},
    texts::{About, Broken, Rendered, Sources},
    types::{default_text, languages},
};

/// The texts of one type: its own, and those that somebody has written in their place.
pub(crate) struct Texts {
    kind: &'static NotificationType,
    written: Vec<TemplateRow>,
}

impl<'a> From<&'a TemplateRow> for Sources<'a> {
    fn from(row: &'a TemplateRow) -> Self {
        Self {
            subject: &row.subject,
            text: &row.body,
            html: &row.html,
            link: &row.link,
        }
    }
}

impl Texts {
    /// Those that are used now.
    pub(crate) async fn load(ctx: &Ctx, kind: &'static NotificationType) -> Result<Self, Error> {
        // Who could write a text with details could have its links sent to themselves.
        let written = match kind.details {
            true => Vec::new(),
            false => templates::of_type(&ctx.db, kind.name).await?,
        };
        Ok(Self { kind, written })
    }

    /// The channels that there are texts for.
    pub(crate) fn channels(&self) -> impl Iterator<Item = Channel> {
        super::preferences::channels(self.kind)
    }

    /// The text for a channel, in `language` or the next that there is; none where there is none for this channel. What somebody has
    /// written and what cannot be made of this data gives way to the text that came with the program.
    pub(crate) fn render(
        &self,
        ctx: &Ctx,
        channel: Channel,
        language: Option<&str>,
        data: &Map<String, Value>,
        to: Option<To<'_>>,
    ) -> Option<Result<Rendered, Broken>> {
        let wanted = languages(language);
        let about = |language| About {
            language,
            ..about(ctx, to)
        };
        for language in &wanted {
            let of = |row: &&TemplateRow| {
                row.channel == channel.name() && row.language.eq_ignore_ascii_case(language)
            };
            if let Some(row) = self.written.iter().find(of) {
                match ctx.texts.render(row.into(), data, &about(&row.language)) {
                    Ok(made) => return Some(Ok(made)),
                    Err(broken) => {
                        let kind = self.kind.name;
                        tracing::warn!(kind, language, version = row.version, %broken, "a template cannot be used with this data; its default is");
                    }
                }
            }
            if let Some(text) = default_text(self.kind, channel, std::slice::from_ref(language)) {
                return Some(ctx.texts.render(text.into(), data, &about(text.language)));
            }
        }
        None
    }
}

/// Texts that are tried with the data of one request, of all channels and languages.
const TRIED: usize = 100;

/// Why a text cannot be made of some data.
pub(crate) struct Unfit {
    pub(crate) channel: String,
    pub(crate) language: String,
    /// The variable that the data lacks, if it is that.
    pub(crate) missing: Option<String>,
    pub(crate) broken: Broken,
}

impl Texts {
    /// Tries all that are used, whatever language their readers have; the first that cannot be made of this data.
    pub(crate) async fn try_all(&self, ctx: &Ctx, data: &Map<String, Value>) -> Result<(), Unfit> {
        let is_written = |text: &&DefaultTemplate| {
            self.written.iter().any(|row| {
                row.channel == text.channel.name() && row.language.eq_ignore_ascii_case(text.language)
            })
        };
        let own = self.kind.templates.iter().filter(|text| !is_written(text));
        let own = own.map(|text| (text.channel.name(), text.language, Sources::from(text)));
        let written = self.written.iter();
        let written = written.map(|row| (&*row.channel, &*row.language, Sources::from(row)));
        for (channel, language, sources) in own.chain(written).take(TRIED) {
            let to = (channel == Channel::Email.name()).then_some(EXAMPLE);
            let about = About {
                language,
                ..about(ctx, to)
            };
            if let Err(broken) = ctx.texts.render(sources, data, &about) {
                return Err(Unfit {
                    channel: channel.to_owned(),
                    language: language.to_owned(),
                    missing: ctx.texts.missing(sources, data, &broken),
                    broken,
                });
            }
            // Each may take many steps.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// The text that is sent; or how it ends where there is none.
pub(crate) async fn text(
    ctx: &Ctx,
    kind: &'static NotificationType,
    channel: Channel,
    language: Option<&str>,
    data: &Map<String, Value>,
    to: Option<To<'_>>,
) -> Result<Result<Rendered, Ended>, Error> {
    let texts = Texts::load(ctx, kind).await?;
    Ok(match texts.render(ctx, channel, language, data, to) {
        Some(Ok(text)) => Ok(text),
        Some(Err(broken)) => {
            let words = format!("Not sent: the template is broken in {broken}");
            Err(Ended::failed("template_broken", words))
        }
        None => Err(Ended::skipped("no_template", "Not sent: there is no text for it")),
    })
}

/// Where a mail goes to.
#[derive(Clone, Copy)]
pub(crate) struct To<'a> {
    pub(crate) email: &'a str,
    /// Empty where nobody can unsubscribe.
    pub(crate) unsubscribe_url: &'a str,
}

/// For trying.
const EXAMPLE: To<'static> = To {
    email: "ada@example.com",
    unsubscribe_url: "https://example.com/unsubscribe",
};

/// What every text can say beside its data, in English. `to`: where the mail goes to, if it is one.
pub(crate) fn about<'a>(ctx: &'a Ctx, to: Option<To<'a>>) -> About<'a> {
    About {
        product: &ctx.product_name,
        public_url: &ctx.public_url,
        language: "en",
        unsubscribe_url: to.map_or("", |to| to.unsubscribe_url),
        email: to.map(|to| to.email),
    }
}

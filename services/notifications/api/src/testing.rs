//! A stand-in for notifications, for tests of services that ask for some: `TestApp::builder().service(&testing::SERVICE, testing::service)`.
//! It sends what is asked for as a mail of plain text, at once, and knows neither preferences nor the inbox. Addresses and details it asks
//! of auth, as notifications does.

use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value};
use stoa_auth_api::{Asked, Contacts, Mails, Prepared};
use stoa_events::{Done, Event as _, JobError, Subscription, Work};
use stoa_kernel::UserId;
use stoa_mail::{Headers, Mail, Mailer};
use stoa_service::{Channel, DefaultTemplate, Descriptor, Env, NotificationType, Service};

use crate::{NotificationRequested, Recipients};

/// In the place of notifications.
pub const SERVICE: Descriptor = Descriptor {
    about: "a stand-in for notifications",
    wants: &[NotificationRequested::NAME],
    ..Descriptor::named("notifications")
};

#[derive(Clone)]
struct Ctx {
    contacts: Contacts,
    mails: Mails,
    mailer: Mailer,
    types: Arc<[&'static NotificationType]>,
    public_url: Arc<str>,
}

/// The stand-in.
#[must_use]
pub fn service(env: Env) -> Service {
    let ctx = Ctx {
        contacts: Contacts::new(&env.rpc),
        mails: Mails::new(&env.rpc),
        mailer: env.mailer,
        types: env.notifications,
        public_url: env.public_url.into(),
    };
    Service {
        name: SERVICE.name,
        router: Default::default(),
        rpc: None,
        subscriptions: vec![Subscription::with("notifications.request", &ctx, requested)],
        jobs: Vec::new(),
        schedules: Vec::new(),
        start: None,
    }
}

async fn requested(ctx: Ctx, work: Work<NotificationRequested>) -> Result<Done, JobError> {
    let asked = work.payload();
    let of_name = |kind: &&&NotificationType| kind.name == asked.kind;
    let kind = ctx.types.iter().find(of_name);
    let kind = kind.ok_or_else(|| JobError::Fatal(format!("{} is the type of no service", asked.kind)))?;
    let english = |text: &&DefaultTemplate| text.channel == Channel::Email && text.language == "en";
    let Some(text) = kind.templates.iter().find(english) else {
        return work.done().await;
    };
    let recipients = match &asked.recipients {
        Recipients::Users(users) => users.iter().copied().map(Some).collect(),
        Recipients::Reference(_) => vec![None],
        // Nobody is known here who follows or manages anything.
        Recipients::Topic(_) | Recipients::Managers(_) => Vec::new(),
    };
    for (at, user) in recipients.into_iter().enumerate() {
        if let Some((to, data)) = ctx.prepared(kind, asked, user).await? {
            let mail = Mail {
                id: format!("{}-{at}", work.id()),
                subject: rendered(text.subject, &data)?,
                text: rendered(text.text, &data)?,
                html: None,
                headers: Headers::new(),
                to,
            };
            let sent = ctx.mailer.send(&mail).await;
            sent.map_err(|e| JobError::Retry(e.to_string()))?;
        }
    }
    work.done().await
}

impl Ctx {
    /// Where a mail goes and what fills its templates; none if it is not sent.
    async fn prepared(
        &self,
        kind: &NotificationType,
        asked: &NotificationRequested,
        user: Option<UserId>,
    ) -> Result<Option<(String, Map<String, Value>)>, JobError> {
        let again = |e: stoa_auth_api::AccessError| JobError::Retry(e.to_string());
        let mut email = None;
        if let Some(user) = user {
            let contact = self.contacts.of(user).await.map_err(again)?;
            let may = |contact: &stoa_auth_api::v1::Contact| contact.is_email_verified || kind.to_unverified;
            let Some(contact) = contact.filter(may) else {
                return Ok(None);
            };
            email = Some(contact.email);
        }
        let mut data = asked.data.as_object().cloned().unwrap_or_default();
        if kind.details {
            let asked = Asked {
                kind: &asked.kind,
                key: &asked.idempotency_key,
                data: &data.clone(),
                user,
            };
            match self.mails.prepare(asked).await.map_err(again)? {
                Prepared::NotNeeded(_) => return Ok(None),
                Prepared::Mail { address, details } => {
                    email = email.or(address);
                    data.extend(details);
                }
            }
        }
        let email = email.ok_or_else(|| JobError::Fatal("the mail has no address".to_owned()))?;
        for (name, value) in [
            ("product", "Stoa"),
            ("public_url", &self.public_url),
            ("email", &email),
        ] {
            data.insert(name.to_owned(), value.into());
        }
        Ok(Some((email, data)))
    }
}

/// A template that wants more than there is fails the test.
fn rendered(template: &str, data: &Map<String, Value>) -> Result<String, JobError> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    crate::filters::add(&mut env);
    let rendered = env.render_str(template, minijinja::Value::from(minijinja::value::Serde(data)));
    rendered.map_err(|e| JobError::Fatal(format!("the template is broken: {e}")))
}

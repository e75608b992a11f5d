//! What a service is made of, and what it is handed.

mod channels;
mod descriptor;
mod notification;

use std::{path::PathBuf, sync::Arc};

pub use channels::{ChannelHistory, ChannelInfo, ChannelPermission, ChannelSubject};
pub use descriptor::{ALL_EVENTS, Descriptor, Make};
pub use notification::{Channel, Criticality, DefaultTemplate, NotificationType, Throttle};

use futures::future::BoxFuture;
use stoa_cache::Cache;
use stoa_db::Db;
use stoa_events::{EventInfo, JobHandler, Schedule, Subscription};
use stoa_http::{KeyAuthority, Verifier, openapi::Permission};
use stoa_kernel::Clock;
use stoa_mail::Mailer;
use stoa_objects::Objects;
use stoa_outbound::Outbound;
use stoa_push::PushSender;
use stoa_rpc::Directory;
use stoa_secrets::Secrets;
use stoa_sms::SmsSender;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

/// What a service is handed. Its own section of the settings comes beside it.
#[derive(Clone)]
pub struct Env {
    /// The service's own database.
    pub db: Db,
    /// Values, limits and locks.
    pub cache: Cache,
    /// Bytes; keys begin with the service's name.
    pub objects: Objects,
    /// Outgoing mail.
    pub mailer: Mailer,
    /// Outgoing text messages.
    pub sms: SmsSender,
    /// Push messages to browsers and phones.
    pub push: PushSender,
    /// Requests to addresses that users give.
    pub outbound: Outbound,
    /// Seals what must not stand in a row as it is.
    pub secrets: Secrets,
    /// Time.
    pub clock: Clock,
    /// Checks access tokens; auth also feeds it.
    pub verifier: Verifier,
    /// Knows API keys.
    pub keys: Arc<dyn KeyAuthority>,
    /// The way to other services.
    pub rpc: Directory,
    /// Where a service may keep files of its own, such as keys.
    pub data_dir: PathBuf,
    /// The address under which people reach this installation, without a slash at its end.
    pub public_url: String,
    /// The name of the product, as people are shown it.
    pub product_name: String,
    /// The permissions that endpoints of any service ask for, also of services that run elsewhere.
    pub permissions: Arc<[Permission]>,
    /// The events that services emit, also services that run elsewhere.
    pub events: Arc<[EventInfo]>,
    /// The channels of all services, also of those that run elsewhere.
    pub channels: Arc<[ChannelInfo]>,
    /// Cancelled when the process begins to stop: who keeps connections open says goodbye.
    pub draining: CancellationToken,
    /// The kinds of notifications of all services, also of those that run elsewhere.
    pub notifications: Arc<[&'static NotificationType]>,
}

/// A service, as plain data for the composition root to mount.
pub struct Service {
    /// Its name: of its database and its settings.
    pub name: &'static str,
    /// Its endpoints and their description.
    pub router: OpenApiRouter,
    /// Its gRPC side, if others call it.
    pub rpc: Option<stoa_rpc::Server>,
    /// What it does on events.
    pub subscriptions: Vec<Subscription>,
    /// What it does later.
    pub jobs: Vec<JobHandler>,
    /// What it does at set times.
    pub schedules: Vec<Schedule>,
    /// Runs after migration and before the first request.
    pub start: Option<Start>,
}

/// Work to do after migration and before the first request.
pub type Start = Box<dyn FnOnce() -> BoxFuture<'static, Result<(), String>> + Send>;

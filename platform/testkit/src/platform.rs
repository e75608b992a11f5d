//! What the services of a test stand on.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use stoa_cache::Cache;
use stoa_db::{Db, testing::TestDatabase};
use stoa_events::{Bus, WorkerOptions};
use stoa_http::Verifier;
use stoa_kernel::Clock;
use stoa_mail::{MailConfig, Mailer};
use stoa_objects::Objects;
use stoa_outbound::{Outbound, OutboundConfig};
use stoa_push::{PushConfig, PushSender};
use stoa_rpc::Directory;
use stoa_secrets::Secrets;
use stoa_service::{ChannelInfo, Env};
use stoa_sms::{SmsConfig, SmsSender};
use tokio_util::sync::CancellationToken;

use crate::{
    keys::{ISSUER, Keys},
    recorded::EmittedNames,
};

/// What all services of a test share.
pub(crate) struct Platform {
    pub(crate) address: SocketAddr,
    pub(crate) cache: Cache,
    pub(crate) objects: Objects,
    pub(crate) mailer: Mailer,
    pub(crate) sms: SmsSender,
    pub(crate) push: PushSender,
    pub(crate) outbound: Outbound,
    pub(crate) clock: Clock,
    pub(crate) verifier: Verifier,
    pub(crate) keys: Arc<Keys>,
    pub(crate) rpc: Directory,
    pub(crate) bus: Bus,
    pub(crate) emitted: EmittedNames,
    pub(crate) channels: Arc<[ChannelInfo]>,
    pub(crate) draining: CancellationToken,
}

impl Platform {
    pub(crate) fn new(place: &TestDatabase, address: SocketAddr, channels: Arc<[ChannelInfo]>) -> Self {
        let clock = Clock::adjustable();
        let verifier = Verifier::new(ISSUER, clock.clone());
        let emitted = EmittedNames::default();
        let (cache, outbound) = (Cache::local(8 * 1024 * 1024), outbound());
        let (mails, texts) = (place.folder().join("mail"), place.folder().join("sms"));
        let (mail, sms, push) = (MailConfig::default(), SmsConfig::default(), PushConfig::default());
        Self {
            objects: Objects::folder(&place.folder().join("objects")).unwrap(),
            mailer: Mailer::new(&mail, mails, &cache, &outbound, clock.clone()).unwrap(),
            sms: SmsSender::new(&sms, texts, &cache, &outbound, clock.clone()).unwrap(),
            // Push services want somebody whom they can reach.
            push: PushSender::new(&push, "https://stoa.example", &outbound, clock.clone()).unwrap(),
            outbound,
            cache,
            // Before services are made: auth sets keys of its own.
            keys: Arc::new(Keys::new(clock.clone(), &verifier)),
            verifier,
            rpc: Directory::new(),
            bus: emitted.bus(),
            emitted,
            channels,
            draining: CancellationToken::new(),
            address,
            clock,
        }
    }

    /// The address under which the test reaches the app.
    pub(crate) fn public_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The database of `service`, with nothing in it yet.
    pub(crate) async fn open(&self, place: &TestDatabase, service: &str) -> Db {
        let mut options = place.options(service);
        options.clock = self.clock.clone();
        Db::open(options).await.unwrap()
    }

    pub(crate) async fn env(&self, place: &TestDatabase, service: &str) -> Env {
        let data_dir = place.folder().join("data").join(service);
        std::fs::create_dir_all(&data_dir).unwrap();
        Env {
            db: self.open(place, service).await,
            cache: self.cache.clone(),
            objects: self.objects.clone(),
            mailer: self.mailer.clone(),
            sms: self.sms.clone(),
            push: self.push.clone(),
            outbound: self.outbound.clone(),
            clock: self.clock.clone(),
            verifier: self.verifier.clone(),
            keys: Arc::clone(&self.keys) as _,
            rpc: self.rpc.clone(),
            secrets: Secrets::new(data_dir.join("keys"), "").unwrap(),
            data_dir,
            public_url: self.public_url(),
            product_name: "Stoa".to_owned(),
            permissions: Arc::default(),
            events: Arc::default(),
            channels: Arc::clone(&self.channels),
            draining: self.draining.clone(),
            notifications: Arc::default(),
        }
    }
}

/// Servers of a test listen on this machine.
fn outbound() -> Outbound {
    let config = OutboundConfig {
        allow: vec!["127.0.0.0/8".to_owned()],
        ..OutboundConfig::default()
    };
    Outbound::new(&config).unwrap()
}

/// How the workers of a test work.
pub(crate) fn worker_options() -> WorkerOptions {
    WorkerOptions {
        concurrency: 4,
        keep_done: Duration::from_secs(7 * 24 * 3600),
        poll: Duration::from_millis(100),
        lease: Duration::from_secs(60),
        sole: true,
        ..WorkerOptions::default()
    }
}

//! One or more services, served on a port of their own.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    net::SocketAddr,
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use stoa_audit::{AuditKey, Sealing};
use stoa_cache::Cache;
use stoa_db::{Db, Engine, testing::TestDatabase};
use stoa_events::{Event, EventId, EventInfo, TxExt, Worker};
use stoa_http::{Claims, KeyAuthority, MembershipClaim, TokenSigner, Verifier, openapi::RouteInfo};
use stoa_kernel::{Clock, Id, OrganizationId, OrganizationRole, SessionId, Timestamp, UserId};
use stoa_mail::Mail;
use stoa_mount::{Background, Mounted};
use stoa_rpc::Directory;
use stoa_service::{Descriptor, Env, Service};
use stoa_sms::Sms;
use tokio::{net::TcpListener, sync::RwLock, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Client, CookieSession, edge,
    platform::{Platform, worker_options},
    recorded::RecordedEvents,
};

/// How long [`TestApp::settle`] waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long running jobs are waited for at the end of a test.
const STOP: Duration = Duration::from_secs(10);

type Make = Box<dyn FnOnce(Env) -> Service + Send>;
type Prepare = Box<dyn FnOnce(&Directory) + Send>;
type StandIns = HashMap<TypeId, Box<dyn Any + Send + Sync>>;
type MakeAuthority = Box<dyn FnOnce(&Directory, &Cache) -> Arc<dyn KeyAuthority> + Send>;

/// What a [`TestApp`] is to be made of.
#[derive(Default)]
pub struct Builder {
    services: Vec<(&'static Descriptor, Make)>,
    prepare: Vec<Prepare>,
    stand_ins: StandIns,
    authority: Option<MakeAuthority>,
    foreign_events: Vec<EventInfo>,
}

impl Builder {
    /// With events of services that are not there, as [`TestApp::emit`] emits them: for a service that wants the events of all.
    #[must_use]
    pub fn foreign_events(mut self, events: &[EventInfo]) -> Self {
        self.foreign_events.extend(events);
        self
    }

    /// With this service. More than one see each other through events and rpc, as in the whole system.
    #[must_use]
    pub fn service(
        mut self,
        descriptor: &'static Descriptor,
        make: impl FnOnce(Env) -> Service + Send + 'static,
    ) -> Self {
        self.services.push((descriptor, Box::new(make)));
        self
    }

    /// With a stand-in for a service that is called by rpc: `.stand_in(FakeAuth::default(), FakeAuth::serve)`. Its own crate has it, with
    /// the feature `testing`.
    #[must_use]
    pub fn stand_in<T: Clone + Send + Sync + 'static>(
        mut self,
        stand_in: T,
        serve: fn(&T, &Directory),
    ) -> Self {
        let known = stand_in.clone();
        self.stand_ins.insert(TypeId::of::<T>(), Box::new(known));
        self.prepare
            .push(Box::new(move |directory| serve(&stand_in, directory)));
        self
    }

    /// With the true authority over API keys, in place of the one that only knows [`TestApp::api_key`]'s.
    #[must_use]
    pub fn keys(
        mut self,
        make: impl FnOnce(&Directory, &Cache) -> Arc<dyn KeyAuthority> + Send + 'static,
    ) -> Self {
        self.authority = Some(Box::new(make));
        self
    }

    /// Opens databases, migrates, starts workers, and serves.
    pub async fn start(self, engine: Engine) -> TestApp {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let place = TestDatabase::new(engine);
        let channels = self.services.iter().flat_map(|(service, _)| service.channels);
        let platform = Platform::new(
            &place,
            listener.local_addr().unwrap(),
            channels.copied().collect(),
        );
        for prepare in self.prepare {
            prepare(&platform.rpc);
        }
        let mut mounted = Vec::new();
        let mut envs = HashMap::new();
        let emitted = self.services.iter().flat_map(|(descriptor, _)| descriptor.emits);
        let events: Arc<[_]> = emitted.chain(&self.foreign_events).copied().collect();
        let all = self.services.iter();
        let notifications: Arc<[_]> = all.flat_map(|(descriptor, _)| descriptor.notifications).collect();
        for (descriptor, make) in self.services {
            let mut env = platform.env(&place, descriptor.name).await;
            env.events = Arc::clone(&events);
            env.notifications = Arc::clone(&notifications);
            envs.insert(descriptor.name, env.clone());
            mounted.push(Mounted::new(descriptor, env, |env| Ok(make(env))).unwrap());
        }
        stoa_mount::migrate(&mounted).await.unwrap();
        let authority = self.authority.map(|make| make(&platform.rpc, &platform.cache));
        TestApp::start(
            place,
            platform,
            authority,
            (mounted, envs),
            listener,
            self.stand_ins,
        )
        .await
    }
}

/// A running app of its own for one test. It is a [`Client`] of itself: `app.get("/…")`. Cheap to clone.
#[derive(Clone)]
pub struct TestApp(Arc<Inner>);

struct Inner {
    place: Mutex<Option<TestDatabase>>,
    platform: Platform,
    client: Client,
    /// The database of a service that is not there, but emits, and records all events.
    outside: Db,
    envs: HashMap<&'static str, Env>,
    descriptors: Vec<&'static Descriptor>,
    openapi: OpenApi,
    stand_ins: StandIns,
    recorded: RecordedEvents,
    running: RwLock<Option<Running>>,
    stop: CancellationToken,
    server: Mutex<Option<JoinHandle<()>>>,
}

/// What works on events and jobs, until the app is stopped.
struct Running {
    recorder: Worker,
    background: Background,
}

impl Running {
    fn workers(&self) -> impl Iterator<Item = &Worker> {
        std::iter::once(&self.recorder).chain(self.background.workers())
    }
}

impl TestApp {
    /// An app with nothing in it yet.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    async fn start(
        place: TestDatabase,
        platform: Platform,
        authority: Option<Arc<dyn KeyAuthority>>,
        (mut mounted, envs): (Vec<Mounted>, HashMap<&'static str, Env>),
        listener: TcpListener,
        stand_ins: StandIns,
    ) -> Self {
        let descriptors: Vec<_> = mounted.iter().map(|one| one.descriptor).collect();
        let recorded = RecordedEvents::default();
        let outside = platform.open(&place, "outside").await;
        outside.migrate("events", stoa_events::MIGRATIONS).await.unwrap();
        let recorder = Worker::start(
            outside.clone(),
            platform.bus.clone(),
            recorded.subscriptions(&descriptors),
            Vec::new(),
            Vec::new(),
            worker_options(),
        );
        let recorder = recorder.await.unwrap();
        let buses = mounted.iter().map(|_| platform.bus.clone()).collect();
        let sealing = Sealing::new(AuditKey::new(b"of tests"));
        let options = worker_options();
        let background = Background::start(&mut mounted, buses, &[], &options, &sealing);
        let background = background.await.unwrap();

        let none = OpenApiRouter::default();
        let (router, openapi) = stoa_mount::routes(none, &mut mounted, std::iter::empty());
        let pages = descriptors.iter().flat_map(|descriptor| descriptor.pages);
        let pages = pages.map(|path| (*path).to_owned()).collect();
        let keys = authority.unwrap_or_else(|| Arc::clone(&platform.keys) as _);
        let protocols = descriptors.iter().flat_map(|descriptor| descriptor.protocols);
        let unlisted = (pages, protocols.copied().collect());
        let edge = edge::around(router, openapi.clone(), keys, unlisted, &platform);
        let stop = CancellationToken::new();
        let server = tokio::spawn(stoa_edge::serve(listener, edge, stop.clone(), Duration::ZERO));
        let own = descriptors.iter().flat_map(|descriptor| descriptor.codes);
        let codes = [stoa_http::codes::CODES, stoa_edge::CODES]
            .concat()
            .into_iter()
            .chain(own.copied());
        Self(Arc::new(Inner {
            client: Client::of(format!("http://{}", platform.address), codes),
            running: RwLock::new(Some(Running { recorder, background })),
            stop,
            place: Mutex::new(Some(place)),
            platform,
            outside,
            envs,
            descriptors,
            openapi,
            stand_ins,
            recorded,
            server: Mutex::new(Some(server)),
        }))
    }

    /// A client of the app, to be moved into a task.
    #[must_use]
    pub fn client(&self) -> Client {
        self.0.client.clone()
    }

    /// Where the app listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.platform.address
    }

    /// The app's time: `app.clock().advance(…)`. Workers look at it when they are woken; see [`TestApp::advance`]. `jump(…)` sets the clock
    /// ahead and has no time pass.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.platform.clock
    }

    /// Moves time forward, and waits until what fell due is done.
    pub async fn advance(&self, by: Duration) {
        self.clock().advance(by);
        self.settle().await;
    }

    /// What the first service was handed.
    #[must_use]
    pub fn env(&self) -> &Env {
        self.env_of(self.0.descriptors.first().expect("the app has a service").name)
    }

    /// What service `name` was handed.
    #[must_use]
    pub fn env_of(&self, name: &str) -> &Env {
        &self.0.envs[name]
    }

    /// The first service's database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.env().db
    }

    /// Checks tokens, for all services.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.0.platform.verifier
    }

    /// The description of all endpoints.
    #[must_use]
    pub fn openapi(&self) -> &OpenApi {
        &self.0.openapi
    }

    /// All routes, and who may call them.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteInfo> {
        stoa_http::openapi::routes(self.openapi())
    }

    /// All mails sent so far, newest first. Call [`TestApp::settle`] before, for mails are sent by jobs.
    pub async fn mails(&self) -> Vec<Mail> {
        self.0.platform.mailer.mailbox().await.unwrap()
    }

    /// All text messages sent so far, newest first. Call [`TestApp::settle`] before, for they are sent by jobs.
    pub async fn texts(&self) -> Vec<Sms> {
        self.0.platform.sms.kept().await.unwrap()
    }

    /// An id of no organization yet.
    #[must_use]
    pub fn new_organization(&self) -> OrganizationId {
        Id::new(self.clock())
    }

    /// An id of nobody yet.
    #[must_use]
    pub fn new_user(&self) -> UserId {
        Id::new(self.clock())
    }

    /// An access token, good for an hour, of a user in a session of its own.
    #[must_use]
    pub fn token(&self, user: UserId, permissions: &[&str]) -> String {
        self.session_token(user, Id::new(self.clock()), permissions)
    }

    /// An access token of this session.
    #[must_use]
    pub fn session_token(&self, user: UserId, session: SessionId, permissions: &[&str]) -> String {
        self.sign(&self.claims(user, session, permissions))
    }

    /// An access token of a member of this organization.
    #[must_use]
    pub fn member_token(&self, user: UserId, organization: OrganizationId, role: OrganizationRole) -> String {
        self.sign(&Claims {
            orgs: vec![MembershipClaim(organization, role, 1)],
            ..self.claims(user, Id::new(self.clock()), &[])
        })
    }

    /// The claims that [`TestApp::session_token`] signs, to be changed before [`TestApp::sign`].
    #[must_use]
    pub fn claims(&self, user: UserId, session: SessionId, permissions: &[&str]) -> Claims {
        self.0.platform.keys.claims(user, session, permissions)
    }

    /// Signs claims with the test's key.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> String {
        self.0.platform.keys.signer().sign(claims)
    }

    /// The test's signing key. A service that sets the verifier's keys (auth) leaves it out; such a test signs in by HTTP.
    #[must_use]
    pub fn signer(&self) -> &TokenSigner {
        self.0.platform.keys.signer()
    }

    /// A browser's cookies of a user.
    #[must_use]
    pub fn cookie_session(&self, user: UserId, permissions: &[&str]) -> CookieSession {
        self.0.platform.keys.cookie(user, permissions)
    }

    /// An API key of a user, with these scopes.
    #[must_use]
    pub fn api_key(&self, user: UserId, scopes: &[&str]) -> String {
        self.0.platform.keys.api_key(user, scopes)
    }

    /// From now on the tokens of this session are refused.
    pub fn revoke_session(&self, session: SessionId) {
        self.verifier().revoke_session(session, Timestamp::MAX);
    }

    /// Has the app's services know that their process is about to stop.
    pub fn drain(&self) {
        self.0.platform.draining.cancel();
    }

    /// From now on this API key is refused.
    pub fn revoke_api_key(&self, key: &str) {
        self.0.platform.keys.revoke_api_key(key);
    }

    /// The stand-in of this type that the app was built with.
    #[must_use]
    pub fn stand_in<T: 'static>(&self) -> &T {
        let found = self.0.stand_ins.get(&TypeId::of::<T>());
        found
            .and_then(|found| found.downcast_ref())
            .expect("the app was built with it")
    }

    pub(crate) fn recorded_events(&self) -> &RecordedEvents {
        &self.0.recorded
    }

    /// Publishes an event as another service would, and returns once it is committed there.
    pub async fn emit<E: Event>(&self, event: &E) -> EventId {
        let mut tx = self.0.outside.begin().await.unwrap();
        let id = tx.emit(event).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Waits until every event is delivered and every job due is done. Fails the test if that takes too long, as when
    /// a handler fails again and again.
    pub async fn settle(&self) {
        if tokio::time::timeout(PATIENCE, self.idle()).await.is_err() {
            let left = self.unfinished().await.join("\n");
            panic!("events and jobs did not come to rest within {PATIENCE:?}:\n{left}");
        }
        self.0.platform.emitted.check(&self.0.descriptors);
    }

    /// What has not come to rest, a line for each queue.
    pub async fn unfinished(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for worker in self.0.running.read().await.iter().flat_map(Running::workers) {
            lines.extend(worker.unfinished().await.unwrap());
        }
        lines
    }

    async fn idle(&self) {
        let running = self.0.running.read().await;
        let workers: Vec<_> = running.iter().flat_map(Running::workers).collect();
        // An event may travel through every service in turn, against the order they stand in.
        for _ in 0..=workers.len() {
            for worker in &workers {
                worker.idle().await;
            }
        }
    }

    /// Stops serving and working, and removes all data. [`app!`](crate::app) does it at the end of each test.
    pub async fn stop(self) {
        let inner = &*self.0;
        inner.platform.draining.cancel();
        inner.stop.cancel();
        let server = inner.server.lock().take();
        if let Some(server) = server {
            server.await.unwrap();
        }
        let running = inner.running.write().await.take();
        if let Some(Running { recorder, background }) = running {
            recorder.stop(STOP).await;
            background.stop(STOP).await;
        }
        for db in inner.envs.values().map(|env| &env.db).chain([&inner.outside]) {
            db.close().await;
        }
        let place = inner.place.lock().take();
        if let Some(place) = place {
            place.remove().await;
        }
        inner.platform.emitted.check(&inner.descriptors);
    }
}

impl Deref for TestApp {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0.client
    }
}

/// Makes the type that a crate's `#[db_test]`s take: an app of these services, as `$name`, which derefs to [`TestApp`].
///
/// `app!(App, TestApp::builder().service(&stoa_users::SERVICE, |env| stoa_users::service(env, settings("users"))));`
#[macro_export]
macro_rules! app {
    ($(#[$meta:meta])* $visibility:vis $name:ident, $builder:expr) => {
        $(#[$meta])*
        $visibility struct $name($crate::TestApp);

        impl ::std::ops::Deref for $name {
            type Target = $crate::TestApp;

            fn deref(&self) -> &$crate::TestApp {
                &self.0
            }
        }

        impl ::stoa_db::testing::DbTest for $name {
            type Guard = $crate::TestApp;

            async fn setup(engine: ::stoa_db::Engine) -> (Self, $crate::TestApp) {
                let app = $builder.start(engine).await;
                (Self(app.clone()), app)
            }

            async fn teardown(app: $crate::TestApp) {
                app.stop().await;
            }
        }
    };
}

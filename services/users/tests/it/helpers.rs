//! The app that the tests run, and what they do with it again and again.

use serde_json::Value;
use stoa_audit::Record;
use stoa_auth_api::{
    events::UserRegistered,
    v1::{
        AuthenticateKeyRequest, AuthenticateKeyResponse, Grant, GrantsRequest, GrantsResponse,
        RegisteredNames, RegistrationRequest, RegistrationResponse, TrustRequest, TrustResponse,
        access_server::{Access, AccessServer},
    },
};
use stoa_db::{Db, FromRow, Migration, Tx};
use stoa_events::{Event, Subscription};
use stoa_kernel::UserId;
use stoa_rpc::{Directory, Server};
use stoa_service::{Descriptor, Env, Service};
use stoa_testkit::{Answer, Builder, TestApp, settings};
use stoa_users::{
    UsersConfig,
    events::{AvatarChanged, PreferenceChanged, ProfileCreated, ProfileErased, ProfileUpdated},
};
use tonic::{Request, Response, Status, service::Routes};
use utoipa_axum::router::OpenApiRouter;

stoa_testkit::app!(
    /// users as it is by default, one that listens to its events, and an auth that knows one grant.
    pub(crate) App,
    builder(|_| {})
);

pub(crate) fn builder(change: impl FnOnce(&mut UsersConfig)) -> Builder {
    builder_beside(OneGrant { knows_names: false }, change)
}

/// With this stand-in for auth.
pub(crate) fn builder_beside(auth: OneGrant, change: impl FnOnce(&mut UsersConfig)) -> Builder {
    let mut config: UsersConfig = settings("users");
    change(&mut config);
    TestApp::builder()
        .service(&stoa_users::SERVICE, |env| stoa_users::service(env, config))
        .service(&LISTENER, listener)
        .rpc(move |directory| stand_in(directory, auth))
}

/// A stand-in for auth: everybody is granted `users.read` on the profiles of people whose ids end like their own.
pub(crate) struct OneGrant {
    /// Whether everybody has registered as Ada Lovelace.
    pub(crate) knows_names: bool,
}

/// Whether the stand-in for auth grants `reader` to read `read`.
pub(crate) fn granted(reader: &str, read: &str) -> bool {
    reader.chars().last() == read.chars().last()
}

#[tonic::async_trait]
impl Access for OneGrant {
    async fn grants(&self, request: Request<GrantsRequest>) -> Result<Response<GrantsResponse>, Status> {
        let asked = request.into_inner();
        let grants = granted(&asked.user_id, &asked.resource_id) && asked.resource_kind == "profile";
        let grants = grants.then(|| Grant {
            action: "users.read".to_owned(),
        });
        Ok(Response::new(GrantsResponse {
            grants: grants.into_iter().collect(),
        }))
    }

    async fn authenticate_key(
        &self,
        _: Request<AuthenticateKeyRequest>,
    ) -> Result<Response<AuthenticateKeyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn registration(
        &self,
        _: Request<RegistrationRequest>,
    ) -> Result<Response<RegistrationResponse>, Status> {
        let names = self.knows_names.then(|| RegisteredNames {
            first_name: Some("Ada".to_owned()),
            last_name: Some("Lovelace".to_owned()),
        });
        Ok(Response::new(RegistrationResponse { names }))
    }

    async fn trust(&self, _: Request<TrustRequest>) -> Result<Response<TrustResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

fn stand_in(directory: &Directory, auth: OneGrant) {
    let routes = Routes::new(AccessServer::new(auth));
    directory.set_local(
        "auth",
        Server {
            routes,
            descriptors: stoa_auth_api::DESCRIPTORS,
            names: Vec::new(),
        },
    );
}

/// A user whose id ends with `last`, by which [`granted`] decides.
pub(crate) fn user_ending(app: &TestApp, last: char) -> UserId {
    std::iter::repeat_with(|| app.new_user())
        .find(|user| user.to_string().ends_with(last))
        .unwrap()
}

const LISTENER_MIGRATIONS: &[Migration] = &[Migration::new(
    "0001_create_heard",
    "CREATE TABLE heard (name TEXT NOT NULL, data TEXT NOT NULL)",
)];

const LISTENER: Descriptor = Descriptor {
    migrations: LISTENER_MIGRATIONS,
    ..Descriptor::named("listener")
};

/// Writes down what users tells others.
fn listener(_: Env) -> Service {
    Service {
        name: "listener",
        router: OpenApiRouter::new(),
        rpc: None,
        subscriptions: vec![
            hear::<ProfileCreated>("listener.profile_created"),
            hear::<ProfileUpdated>("listener.profile_updated"),
            hear::<PreferenceChanged>("listener.preference_changed"),
            hear::<AvatarChanged>("listener.avatar_changed"),
            hear::<ProfileErased>("listener.profile_erased"),
        ],
        jobs: Vec::new(),
        schedules: Vec::new(),
        start: None,
    }
}

fn hear<E: Event>(name: &'static str) -> Subscription {
    Subscription::new::<E, _, _>(name, |work| async move {
        let data = serde_json::to_string(work.payload()).unwrap();
        let mut tx: Tx = work.begin().await?;
        tx.execute(
            "INSERT INTO heard (name, data) VALUES ($1, $2)",
            &[&E::NAME, &data],
        )
        .await?;
        work.commit(tx).await
    })
}

/// What was told of this kind.
pub(crate) async fn heard<E: Event>(app: &TestApp) -> Vec<E> {
    app.settle().await;
    let db = &app.env_of("listener").db;
    let rows: Vec<String> = db
        .fetch_all("SELECT data FROM heard WHERE name = $1", &[&E::NAME])
        .await
        .unwrap();
    rows.iter()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

/// As auth tells of a new account.
pub(crate) async fn register(app: &TestApp, first: &str, last: &str) -> UserId {
    let user = app.new_user();
    emit_registered(app, user, first, last).await;
    app.settle().await;
    user
}

pub(crate) async fn emit_registered(app: &TestApp, user_id: UserId, first: &str, last: &str) {
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let event = UserRegistered {
        user_id,
        email: format!("{user_id}@example.com"),
        first_name: name(first),
        last_name: name(last),
    };
    app.emit(&event).await;
}

/// The person's own view of their profile.
pub(crate) async fn me(app: &TestApp, user: UserId) -> Value {
    app.get("/api/v1/users/me")
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200)
        .value()
}

/// Sets a preference.
pub(crate) async fn put_preference(app: &TestApp, user: UserId, key: &str, value: &Value) -> Answer {
    let path = format!("/api/v1/users/me/preferences/{key}");
    app.put(&path)
        .bearer(&app.token(user, &[]))
        .json(&serde_json::json!({ "value": value }))
        .send()
        .await
}

/// All of the person's activity, newest first.
pub(crate) async fn activity(app: &TestApp, user: UserId) -> Vec<Value> {
    let path = "/api/v1/users/me/activity?limit=100";
    let page = app
        .get(path)
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(page["next_cursor"], Value::Null);
    page["items"].as_array().unwrap().clone()
}

/// Actions of the person's activity, newest first.
pub(crate) async fn actions(app: &TestApp, user: UserId) -> Vec<String> {
    let entries = activity(app, user).await;
    entries
        .iter()
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .collect()
}

/// The audit log's entries of this action.
pub(crate) async fn audited(app: &TestApp, action: &str) -> Vec<Record> {
    let filter = stoa_audit::Filter {
        action: Some(action.to_owned()),
        limit: 100,
        ..Default::default()
    };
    stoa_audit::list(app.db(), &filter).await.unwrap()
}

/// Rows of a table of users.
pub(crate) async fn count(app: &TestApp, table: &str) -> i64 {
    one(app.db(), &format!("SELECT COUNT(*) FROM {table}")).await
}

pub(crate) async fn one<T: FromRow>(db: &Db, sql: &str) -> T {
    db.fetch_one(sql, &[]).await.unwrap()
}

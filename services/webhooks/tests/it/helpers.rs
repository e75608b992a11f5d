//! The app that the tests run, and the server that messages are sent to.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use stoa_auth_api::{
    events::{
        CredentialsRevoked, MemberAdded, OrganizationDeleted, OrganizationPurged, OrganizationRestored,
        RoleChanged, SessionRevoked, UserErased, UserRegistered,
    },
    testing::FakeAuth,
};
use stoa_events::Event as _;
use stoa_kernel::{OrganizationId, OrganizationRole, UserId};
use stoa_testkit::{Answer, Builder, TestApp, settings};
use stoa_webhooks::{SERVICE, WebhooksConfig};
use tokio::net::TcpListener;

pub(crate) const ENDPOINTS: &str = "/api/v1/webhooks/endpoints";

stoa_testkit::app!(
    pub(crate) App,
    builder()
);

fn builder() -> Builder {
    let config = WebhooksConfig {
        endpoints_max: 4,
        timeout: stoa_kernel::Period(Duration::from_secs(2)),
        ..settings("webhooks")
    };
    TestApp::builder()
        .service(&SERVICE, |env| stoa_webhooks::service(env, config))
        .stand_in(FakeAuth::default(), FakeAuth::serve)
        .foreign_events(&[
            UserRegistered::INFO,
            UserErased::INFO,
            SessionRevoked::INFO,
            CredentialsRevoked::INFO,
            RoleChanged::INFO,
            MemberAdded::INFO,
            OrganizationDeleted::INFO,
            OrganizationRestored::INFO,
            OrganizationPurged::INFO,
        ])
}

/// A request that a server was sent.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// What a server answers: a status, `Retry-After`, after how long, and whether its body stops halfway.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) delay: Duration,
    pub(crate) location: Option<String>,
    pub(crate) stalls: bool,
}

/// A server that messages are sent to.
#[derive(Clone)]
pub(crate) struct Sink {
    pub(crate) url: String,
    inner: Arc<Mutex<(Vec<Received>, Behaviour)>>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            inner: Arc::default(),
        };
        let router = Router::new().fallback(receive).with_state(sink.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        sink
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.inner.lock().1 = behaviour;
    }

    pub(crate) fn answer(&self, status: u16) {
        self.behave(Behaviour {
            status: Some(status),
            ..Behaviour::default()
        });
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.inner.lock().0.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.inner.lock().0.len()
    }
}

async fn receive(State(sink): State<Sink>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let behaviour = {
        let mut inner = sink.inner.lock();
        inner.0.push(Received { headers, body });
        inner.1.clone()
    };
    tokio::time::sleep(behaviour.delay).await;
    let status = StatusCode::from_u16(behaviour.status.unwrap_or(204)).unwrap();
    let mut headers = HeaderMap::new();
    if let Some(seconds) = behaviour.retry_after {
        headers.insert("retry-after", seconds.into());
    }
    if let Some(location) = behaviour.location {
        headers.insert("location", location.parse().unwrap());
    }
    let body = if status == 204 { "" } else { "as it says" };
    let body = if behaviour.stalls {
        let halfway = stream::iter([Ok::<_, Infallible>(body)]).chain(stream::pending());
        Body::from_stream(halfway)
    } else {
        Body::from(body)
    };
    (status, headers, body)
}

/// An organization, and the token of one of its admins.
pub(crate) fn organization(app: &TestApp) -> (OrganizationId, String) {
    let organization = app.new_organization();
    let token = app.member_token(app.new_user(), organization, OrganizationRole::Admin);
    (organization, token)
}

pub(crate) async fn create(app: &TestApp, token: &str, body: &Value) -> Answer {
    app.post(ENDPOINTS).bearer(token).json(body).send().await
}

/// Makes an endpoint of the organization for this server, and returns its path.
pub(crate) async fn endpoint(
    app: &TestApp,
    token: &str,
    organization: OrganizationId,
    sink: &Sink,
    more: Value,
) -> String {
    let mut body = json!({"url": sink.url, "events": ["*"], "organization_id": organization});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = create(app, token, &body).await.expect(201).value();
    format!("{ENDPOINTS}/{}", made["id"].as_str().unwrap())
}

/// Something that happens in an organization: a member is added.
pub(crate) async fn happen(app: &TestApp, organization: OrganizationId) -> UserId {
    let user = app.new_user();
    app.emit(&MemberAdded {
        organization_id: organization,
        user_id: user,
        role: OrganizationRole::Member,
    })
    .await;
    user
}

pub(crate) async fn items(app: &TestApp, token: &str, path: &str) -> Vec<Value> {
    let page: Value = app.get(path).bearer(token).send().await.expect(200).value();
    page["items"].as_array().unwrap().clone()
}

pub(crate) async fn key_of(app: &TestApp, token: &str, path: &str) -> Vec<String> {
    let secrets = items(app, token, &format!("{path}/secret")).await;
    secrets
        .iter()
        .map(|one| one["key"].as_str().unwrap().to_owned())
        .collect()
}

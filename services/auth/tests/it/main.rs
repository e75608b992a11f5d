//! The service, through its surfaces.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod account;
mod admin;
mod api_keys;
mod audit;
mod cookies;
mod events;
mod explain;
mod grants;
mod growth;
mod idempotency;
mod keys;
mod lockout;
mod locks;
mod login;
mod mails;
mod organizations;
mod pages;
mod password;
mod plans;
mod purge;
mod refresh;
mod register;
mod role_holders;
mod roles;
mod routes;
mod rpc;
mod sessions;
mod takeover;
mod text;
mod totp;
mod trust;
mod verify_email;

use std::sync::Arc;

use serde_json::{Value, json};
use stoa_audit::Filter;
use stoa_auth::AuthConfig;
use stoa_db::{Db, FromRow, ToValue};
use stoa_http::openapi::Permission;
use stoa_kernel::{OrganizationRole, Rate, SessionId, UserId};
use stoa_notifications_api::testing;
use stoa_testkit::{Answer, Builder, TestApp, settings};

/// A password that is good.
const PASSWORD: &str = "tin roof rusted";

stoa_testkit::app!(App, auth(|_| {}));

/// The default settings, but cheap passwords and no limits.
fn config(change: impl FnOnce(&mut AuthConfig)) -> AuthConfig {
    let mut config: AuthConfig = settings("auth");
    config.password.memory_kib = 64;
    config.password.iterations = 1;
    config.rate_limit.register_per_address = Rate::Off;
    config.rate_limit.login_per_address = Rate::Off;
    config.rate_limit.login_per_account = Rate::Off;
    config.rate_limit.mails_per_address = Rate::Off;
    config.rate_limit.guesses_per_account = Rate::Off;
    config.international_addresses = true;
    change(&mut config);
    config
}

fn auth(change: fn(&mut AuthConfig)) -> Builder {
    TestApp::builder()
        .service(&stoa_auth::SERVICE, move |mut env| {
            env.permissions = others();
            stoa_auth::service(env, config(change)).unwrap()
        })
        .service(&testing::SERVICE, testing::service)
}

/// Permissions of services that are not here, and those of auth that roles in an organization hold.
fn others() -> Arc<[Permission]> {
    let of = |name: &str, organization_roles: &[OrganizationRole]| Permission {
        name: name.to_owned(),
        organization_roles: organization_roles.to_vec(),
    };
    let personal = [
        "account.read",
        "account.write",
        "api_keys.write",
        "export.read",
        "files.read",
        "files.write",
        "preferences.read",
        "preferences.write",
        "profile.read",
        "profile.write",
        "sessions.write",
        "users.read",
    ];
    let all = OrganizationRole::ALL;
    let owned = [of("organizations.read", &all), of("members.read", &all[1..])];
    personal
        .map(|name| of(name, &[]))
        .into_iter()
        .chain(owned)
        .collect()
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
struct SignedIn {
    id: UserId,
    access: String,
    refresh: String,
}

impl SignedIn {
    #[track_caller]
    fn of(answer: &Answer) -> Self {
        let body = answer.value();
        Self {
            id: text(&body["user"]["id"]).parse().unwrap(),
            access: text(&body["access_token"]),
            refresh: text(&body["refresh_token"]),
        }
    }

    /// The session that the access token names.
    fn session(&self) -> SessionId {
        text(&claims(&self.access)["sid"]).parse().unwrap()
    }
}

#[track_caller]
fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// What a token says, unchecked.
fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The key that a token names.
fn kid(token: &str) -> String {
    text(&part(token, 0)["kid"])
}

fn part(token: &str, at: usize) -> Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn register(app: &TestApp, email: &str) -> SignedIn {
    let body = json!({ "email": email, "password": PASSWORD });
    SignedIn::of(
        &app.post("/api/v1/auth/register")
            .json(&body)
            .send()
            .await
            .expect(201),
    )
}

async fn login(app: &TestApp, email: &str, password: &str) -> Answer {
    app.post("/api/v1/auth/login")
        .json(&json!({ "email": email, "password": password }))
        .send()
        .await
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.post("/api/v1/auth/refresh")
        .json(&json!({ "refresh_token": token }))
        .send()
        .await
}

/// Status of a request that needs somebody signed in.
async fn me(app: &TestApp, token: &str) -> Answer {
    app.get("/api/v1/auth/me").bearer(token).send().await
}

/// The token of the newest mail with this subject.
async fn mailed_token(app: &TestApp, subject: &str) -> String {
    app.settle().await;
    let mails = app.mails().await;
    let mail = mails.iter().find(|mail| mail.subject.contains(subject));
    let mail = mail.unwrap_or_else(|| panic!("no mail about '{subject}' in {mails:?}"));
    token_in(&mail.text)
}

/// The token of the mail to `address` that asks to verify it.
async fn verification_token(app: &TestApp, address: &str) -> String {
    app.settle().await;
    let mails = app.mails().await;
    let mail = mails
        .iter()
        .find(|mail| mail.to == address && mail.subject.contains("Verify"));
    let mail = mail.unwrap_or_else(|| panic!("no mail to '{address}' in {mails:?}"));
    token_in(&mail.text)
}

fn token_in(text: &str) -> String {
    text.split("token=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned()
}

/// Actions in the audit log, oldest first.
async fn audited(app: &TestApp) -> Vec<String> {
    let filter = Filter {
        limit: 1000,
        ..Filter::default()
    };
    let mut records = stoa_audit::list(app.db(), &filter).await.unwrap();
    records.reverse();
    records.into_iter().map(|record| record.action).collect()
}

/// One value that a query finds.
async fn value<T: FromRow>(app: &TestApp, sql: &str) -> T {
    app.db().fetch_one(sql, &[]).await.unwrap()
}

/// A value of a row.
type Cell = Box<dyn ToValue + Send>;

/// Inserts `count` rows into a table, such as `roles (name, version)`, of which `cells` gives one after the other.
async fn insert_many(db: &Db, into: &str, count: usize, cells: impl Fn() -> Vec<Cell>) {
    const CHUNK: usize = 500;
    let mut tx = db.begin().await.unwrap();
    for start in (0..count).step_by(CHUNK) {
        let rows: Vec<_> = (start..count.min(start + CHUNK)).map(|_| cells()).collect();
        let mut places = (1..).map(|n| format!("${n}"));
        let tuples: Vec<_> = rows
            .iter()
            .map(|row| places.by_ref().take(row.len()).collect::<Vec<_>>().join(", "))
            .map(|row| format!("({row})"))
            .collect();
        let params: Vec<&dyn ToValue> = rows.iter().flatten().map(|cell| &**cell as _).collect();
        let sql = format!("INSERT INTO {into} VALUES {}", tuples.join(", "));
        tx.execute(&sql, &params).await.unwrap();
    }
    tx.commit().await.unwrap();
}

//! Organizations: people who own things together.

mod domains;
mod invitations;
mod keys;
mod lifecycle;
mod members;
mod memberships;
mod pictures;
mod plans;

use std::sync::Arc;

use serde_json::{Value, json};
use stoa_auth_api::KeyClient;
use stoa_kernel::UserId;
use stoa_testkit::{Answer, TestApp};

use crate::{PASSWORD, SignedIn, auth, mailed_token, refresh, register, text, verification_token};

stoa_testkit::app!(
    App,
    auth(|_| {}).keys(|directory, cache| Arc::new(KeyClient::new(directory, cache)))
);

const ORGANIZATIONS: &str = "/api/v1/auth/organizations";

/// Somebody who has shown that the address is theirs.
pub(crate) async fn verified(app: &TestApp, email: &str) -> SignedIn {
    let somebody = register(app, email).await;
    let token = verification_token(app, email).await;
    let call = app.post("/api/v1/auth/email/verify").bearer(&somebody.access);
    call.json(&json!({ "token": token })).send().await.expect(204);
    somebody
}

/// The same person with a new access token.
async fn again(app: &TestApp, person: &SignedIn) -> SignedIn {
    SignedIn::of(&refresh(app, &person.refresh).await.expect(200))
}

/// Makes an organization; its id, and its owner with an access token that knows it.
pub(crate) async fn found(app: &TestApp, owner: &SignedIn, name: &str) -> (String, SignedIn) {
    let call = app.post(ORGANIZATIONS).bearer(&owner.access);
    let made = call.json(&json!({ "name": name })).send().await.expect(201);
    (text(&made.value()["id"]), again(app, owner).await)
}

async fn get(app: &TestApp, by: &SignedIn, path: &str) -> Answer {
    let path = format!("{ORGANIZATIONS}{path}");
    app.get(&path).bearer(&by.access).send().await
}

async fn post(app: &TestApp, by: &SignedIn, path: &str, body: &Value) -> Answer {
    let path = format!("{ORGANIZATIONS}{path}");
    app.post(&path).bearer(&by.access).json(body).send().await
}

pub(crate) async fn invite(app: &TestApp, by: &SignedIn, id: &str, email: &str, role: &str) -> Answer {
    let body = json!({ "email": email, "role": role, "password": PASSWORD });
    post(app, by, &format!("/{id}/invitations"), &body).await
}

async fn accept(app: &TestApp, by: &SignedIn, token: &str) -> Answer {
    let path = format!("/api/v1/auth/invitations/{token}/accept");
    app.post(&path).bearer(&by.access).send().await
}

/// Makes somebody with an account a member; they have an access token that knows it.
async fn add(
    app: &TestApp,
    owner: &SignedIn,
    id: &str,
    person: &SignedIn,
    email: &str,
    role: &str,
) -> SignedIn {
    invite(app, owner, id, email, role).await.expect(201);
    let token = mailed_token(app, "invited").await;
    accept(app, person, &token).await.expect(200);
    again(app, person).await
}

async fn set_role(app: &TestApp, by: &SignedIn, id: &str, user: UserId, role: &str) -> Answer {
    let body = json!({ "role": role, "password": PASSWORD });
    update(app, by, id, user, &body).await
}

async fn update(app: &TestApp, by: &SignedIn, id: &str, user: UserId, body: &Value) -> Answer {
    let path = format!("{ORGANIZATIONS}/{id}/members/{user}");
    app.patch(&path).bearer(&by.access).json(body).send().await
}

/// A password that is good as well.
const NEW: &str = "another good one";

/// Chooses the password [`NEW`] by mail.
async fn reset_password(app: &TestApp, email: &str) {
    let call = app.post("/api/v1/auth/password/reset");
    let asked = call.json(&json!({ "email": email })).send().await;
    asked.expect(202);
    let token = mailed_token(app, "new password").await;
    let body = json!({ "token": token, "new_password": NEW });
    let call = app.post("/api/v1/auth/password/reset/confirm");
    call.json(&body).send().await.expect(204);
}

/// Whom mails about this went to, and their texts, in the order of the addresses.
async fn mails_about(app: &TestApp, subject: &str) -> Vec<(String, String)> {
    app.settle().await;
    let mails = app.mails().await;
    let about = mails.into_iter().filter(|mail| mail.subject.contains(subject));
    let mut found: Vec<_> = about.map(|mail| (mail.to, mail.text)).collect();
    found.sort();
    found
}

async fn remove(app: &TestApp, by: &SignedIn, id: &str, user: UserId) -> Answer {
    let path = format!("{ORGANIZATIONS}/{id}/members/{user}");
    app.delete(&path).bearer(&by.access).send().await
}

async fn delete(app: &TestApp, by: &SignedIn, id: &str) -> Answer {
    let call = app.delete(&format!("{ORGANIZATIONS}/{id}")).bearer(&by.access);
    call.json(&json!({ "password": PASSWORD })).send().await
}

/// Members and what they are, as their list says.
async fn members(app: &TestApp, by: &SignedIn, id: &str) -> Vec<(String, String)> {
    let page = get(app, by, &format!("/{id}/members")).await.expect(200).value();
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|member| (text(&member["email"]), text(&member["role"])))
        .collect()
}

/// Actions that the audit log of an organization tells, newest first.
async fn done_in(app: &TestApp, by: &SignedIn, id: &str) -> Vec<String> {
    let path = format!("/{id}/audit?limit=100");
    let page = get(app, by, &path).await.expect(200).value();
    let items = page["items"].as_array().unwrap().iter();
    items.map(|entry| text(&entry["action"])).collect()
}

//! A role that very many have: changed and removed at once, while others sign in.
//!
//! `STOA_TEST_ROLE_HOLDERS` says how many; 100,000 is what must hold.

use std::time::{Duration, Instant};

use serde_json::json;
use stoa_db::db_test;
use stoa_http::Refused;
use stoa_kernel::{Id, UserId};
use stoa_testkit::TestApp;

use crate::{
    App, Cell, PASSWORD, SignedIn,
    admin::{give, helper, root, sign_in},
    claims, insert_many, login, refresh, register,
    trust::{before_long, elsewhere},
    value,
};

/// Sign-ins that are timed at a time.
const SIGN_INS: usize = 100;
/// Changes made while so many sign in.
const CHANGES: usize = 10;
/// What a machine that does other things as well makes anybody wait now and then.
const UNNOTICED: Duration = Duration::from_millis(300);

#[expect(
    clippy::disallowed_methods,
    reason = "how large this test is depends on who runs it"
)]
fn holders() -> usize {
    let given = std::env::var("STOA_TEST_ROLE_HOLDERS").ok();
    given.map_or(3_000, |count| count.parse().unwrap())
}

/// Makes accounts that have this role.
async fn many_holders(app: &TestApp, role: &'static str) {
    let now = app.clock().now();
    let users: Vec<UserId> = (0..holders()).map(|_| Id::new(app.clock())).collect();
    let next = std::cell::RefCell::new(users.iter().copied());
    let account = || -> Vec<Cell> {
        let user = next.borrow_mut().next().unwrap();
        let email = format!("{user}@example.org");
        vec![
            Box::new(user),
            Box::new(email.clone()),
            Box::new(email),
            Box::new("none"),
            Box::new(0_i64),
            Box::new(now),
            Box::new(now),
        ]
    };
    let columns = "accounts (id, email, email_key, password_hash, access_version, created_at, updated_at)";
    insert_many(app.db(), columns, users.len(), account).await;
    let next = std::cell::RefCell::new(users.iter().copied());
    let holder = || -> Vec<Cell> {
        let user = next.borrow_mut().next().unwrap();
        vec![Box::new(user), Box::new(role)]
    };
    insert_many(app.db(), "user_roles (user_id, role)", users.len(), holder).await;
}

/// Changes a role; again, where somebody else has just changed it.
async fn change(app: &TestApp, by: &SignedIn, role: &str, permissions: &[&str]) {
    let body = json!({ "description": "changed", "permissions": permissions });
    loop {
        let call = app.put(&format!("/api/v1/auth/roles/{role}")).bearer(&by.access);
        let answer = call.json(&body).send().await;
        if answer.status() != 409 {
            answer.expect(200);
            return;
        }
    }
}

/// The 99th percentile of how long sign-ins take, one after the other. `beside` is called now and then.
async fn sign_ins(app: &TestApp, mut beside: impl FnMut()) -> Duration {
    let mut took = Vec::with_capacity(SIGN_INS);
    for n in 0..SIGN_INS {
        if n % (SIGN_INS / CHANGES) == 0 {
            beside();
        }
        let started = Instant::now();
        login(app, "ada@example.org", PASSWORD).await.expect(200);
        took.push(started.elapsed());
    }
    took.sort();
    took[SIGN_INS * 99 / 100 - 1]
}

#[db_test]
async fn a_change_of_a_role_holds_for_all_who_have_it_and_keeps_nobody_from_signing_in(app: App) {
    let root = root(&app).await;
    register(&app, "ada@example.org").await;
    let helper = helper(&app, &root, "support", &["users.read", "roles.read"]).await;
    many_holders(&app, "support").await;
    let (verifier, _feed) = elsewhere(&app).await;
    assert!(verifier.verify(&helper.access).is_ok());

    let alone = sign_ins(&app, || ()).await;
    let mut changes = Vec::new();
    let beside = sign_ins(&app, || {
        let (app, by) = (app.clone(), root.clone());
        let permissions = [&["roles.read"][..], &["users.read"]][changes.len() % 2];
        changes.push(tokio::spawn(async move {
            change(&app, &by, "support", permissions).await;
        }));
    })
    .await;
    for change in changes {
        change.await.unwrap();
    }
    assert_eq!(before_long(&verifier, &helper.access).await, Refused::Stale);
    assert!(
        beside <= (alone * 3).max(UNNOTICED),
        "sign-ins took {beside:?} beside changes, {alone:?} without"
    );

    change(&app, &root, "support", &["roles.read"]).await;
    let helper = SignedIn::of(&refresh(&app, &helper.refresh).await.expect(200));
    assert_eq!(claims(&helper.access)["perms"], json!(["roles.read"]));
    let raised: i64 = value(&app, "SELECT count(*) FROM raised_roles").await;
    assert_eq!(raised, 1, "one row, however many have the role");
}

#[db_test]
async fn a_role_that_many_have_is_removed_at_once_and_its_name_is_free_when_it_is_taken_from_all(app: App) {
    let root = root(&app).await;
    let helper = helper(&app, &root, "support", &["roles.read"]).await;
    many_holders(&app, "support").await;
    let (verifier, _feed) = elsewhere(&app).await;

    let call = app.delete("/api/v1/auth/roles/support").bearer(&root.access);
    call.send().await.expect(204);
    assert_eq!(before_long(&verifier, &helper.access).await, Refused::Stale);
    let helper = SignedIn::of(&refresh(&app, &helper.refresh).await.expect(200));
    assert_eq!(claims(&helper.access)["roles"], json!(["user"]));

    app.settle().await;
    let left: i64 = value(&app, "SELECT count(*) FROM user_roles WHERE role = 'support'").await;
    assert_eq!(left, 0);
    let again = json!({ "name": "support", "permissions": ["audit.read"] });
    let call = app.post("/api/v1/auth/roles").bearer(&root.access).json(&again);
    call.send().await.expect(201);
    let anew = sign_in(&app, "support@example.org").await;
    assert_eq!(
        claims(&anew.access)["roles"],
        json!(["user"]),
        "who had the old role does not have the new one"
    );
    give(&app, &root, helper.id, "support").await.expect(204);
    let given = sign_in(&app, "support@example.org").await;
    assert!(verifier.verify(&given.access).is_ok(), "its version is a new one");
}

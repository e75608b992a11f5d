//! Registration.

use serde_json::{Value, json};
use stoa_auth::Registration;
use stoa_db::db_test;
use stoa_testkit::assert_problem;

use crate::{App, PASSWORD, SignedIn, audited, auth, claims, login, me, register, text, value};

stoa_testkit::app!(Closed, auth(|config| config.registration = Registration::Closed));
stoa_testkit::app!(VerifyFirst, auth(|config| config.require_verified_email = true));
stoa_testkit::app!(
    Limited,
    auth(|config| config.rate_limit.register_per_address = "3/m".parse().unwrap())
);

#[db_test]
async fn a_new_account_is_signed_in_at_once(app: App) {
    let body =
        json!({ "email": " Ada@Example.org ", "password": PASSWORD, "first_name": " Ada ", "last_name": "" });
    let answer = app
        .post("/api/v1/auth/register")
        .json(&body)
        .send()
        .await
        .expect(201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.value();
    assert_eq!(body["user"]["email"], "Ada@Example.org", "kept as given");
    assert_eq!(body["user"]["email_verified"], false);
    assert_eq!(body["user"]["roles"], json!(["user"]));
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(3600))
    );
    let signed_in = SignedIn::of(&answer);
    let me = me(&app, &signed_in.access).await.expect(200).value();
    assert_eq!(
        (&me["id"], &me["created_at"]),
        (&body["user"]["id"], &body["user"]["created_at"])
    );
    assert_eq!(
        claims(&signed_in.access)["exp"].as_i64().unwrap()
            - claims(&signed_in.access)["iat"].as_i64().unwrap(),
        3600
    );

    let actions = audited(&app).await;
    for action in ["account.create", "session.create"] {
        assert_eq!(
            actions.iter().filter(|one| *one == action).count(),
            1,
            "{actions:?}"
        );
    }
    login(&app, "ADA@example.ORG", PASSWORD).await.expect(200);
}

#[db_test]
async fn no_secret_is_kept_in_clear(app: App) {
    let ada = register(&app, "ada@example.org").await;
    app.settle().await;
    let hash: String = value(&app, "SELECT password_hash FROM accounts").await;
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
    let kept: Vec<u8> = value(&app, "SELECT hash FROM refresh_tokens").await;
    assert_ne!(kept, ada.refresh.as_bytes());
    assert_eq!(kept.len(), 32);
}

#[db_test]
async fn an_address_has_one_account(app: App) {
    register(&app, "ada@example.org").await;
    let body = json!({ "email": "ADA@example.org", "password": "another good one" });
    let taken = app.post("/api/v1/auth/register").json(&body).send().await;
    assert_problem(&taken, 409, "email_taken", &["email"]);
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM accounts").await, 1);
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
}

#[db_test]
async fn of_many_at_once_one_gets_the_address(app: App) {
    let all = (0..8).map(|_| async {
        let body = json!({ "email": "ada@example.org", "password": PASSWORD });
        app.post("/api/v1/auth/register")
            .json(&body)
            .send()
            .await
            .status()
    });
    let mut statuses = futures::future::join_all(all).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[db_test]
async fn what_is_wrong_is_told_by_field(app: App) {
    let cases: [(Value, &[&str]); 9] = [
        (json!({ "email": "nobody", "password": PASSWORD }), &["email"]),
        (
            json!({ "email": "a@b.org\r\nBcc: x@y.org", "password": PASSWORD }),
            &["email"],
        ),
        (
            json!({ "email": "ada@example.org", "password": "short" }),
            &["password"],
        ),
        (
            json!({ "email": "ada@example.org", "password": "x".repeat(129) }),
            &["password"],
        ),
        (
            json!({ "email": "ada@example.org", "password": "x".repeat(2000) }),
            &["password"],
        ),
        (
            json!({ "email": "ada@example.org", "password": "Ada@Example.org" }),
            &["password"],
        ),
        (
            json!({ "email": "ada@example.org", "password": "Password123" }),
            &["password"],
        ),
        (
            json!({ "email": "ada@example.org", "password": PASSWORD, "role": "admin" }),
            &["role"],
        ),
        (
            json!({ "email": "ada@example.org", "password": PASSWORD, "first_name": "x".repeat(101) }),
            &["first_name"],
        ),
    ];
    for (body, fields) in cases {
        let answer = app.post("/api/v1/auth/register").json(&body).send().await;
        assert_problem(&answer, 422, "invalid_input", fields);
    }
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM accounts").await, 0);
}

#[db_test]
async fn where_registration_is_closed_nobody_registers(app: Closed) {
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let answer = app.post("/api/v1/auth/register").json(&body).send().await;
    assert_problem(&answer, 403, "registration_closed", &[]);
}

#[db_test]
async fn where_addresses_are_verified_first_no_tokens_are_given(app: VerifyFirst) {
    let body = json!({ "email": "ada@example.org", "password": PASSWORD });
    let body = app
        .post("/api/v1/auth/register")
        .json(&body)
        .send()
        .await
        .expect(201)
        .value();
    assert_eq!(text(&body["user"]["email"]), "ada@example.org");
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    assert_problem(
        &login(&app, "ada@example.org", PASSWORD).await,
        403,
        "email_not_verified",
        &[],
    );
    assert_problem(
        &login(&app, "ada@example.org", "wrong").await,
        401,
        "invalid_credentials",
        &[],
    );

    let token = crate::mailed_token(&app, "Verify").await;
    app.post("/api/v1/auth/email/verify")
        .json(&json!({ "token": token, "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
}

#[db_test]
async fn one_address_makes_only_so_many_accounts(app: Limited) {
    let register = async |n: u32, address: &str| {
        let body = json!({ "email": format!("u{n}@example.org"), "password": PASSWORD });
        app.post("/api/v1/auth/register")
            .from_address(address)
            .json(&body)
            .send()
            .await
    };
    for n in 0..3 {
        register(n, "192.0.2.1").await.expect(201);
    }
    let refused = register(3, "192.0.2.1").await;
    assert_problem(&refused, 429, "rate_limited", &[]);
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    register(4, "192.0.2.2").await.expect(201);
}

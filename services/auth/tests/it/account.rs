//! One's account as a whole: taken along, and erased.

use serde_json::{Value, json};
use stoa_audit::{Entry, TxExt as _};
use stoa_db::db_test;
use stoa_kernel::{Id, UserId};
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{
    App, Cell, PASSWORD, SignedIn,
    admin::{give, root, sign_in},
    api_keys::make,
    audited,
    grants::grant,
    insert_many, login, me, refresh, register, text,
    totp::{current, enrolled},
    value,
};

async fn erase(app: &TestApp, by: &SignedIn, body: &Value) -> Answer {
    app.delete("/api/v1/auth/account")
        .bearer(&by.access)
        .json(body)
        .send()
        .await
}

/// Somebody of whom everything is held that can be, the secret of their second factor, and their API key.
async fn somebody(app: &TestApp) -> (SignedIn, String, String) {
    let root = root(app).await;
    let ada = register(app, "ada@example.org").await;
    let (_, key) = make(app, &ada, &["profile.read"]).await;
    let (secret, _) = enrolled(app, &ada).await;
    grant(app, &root, ada.id, "files.read", "file", root.id.uuid())
        .await
        .expect(201);
    app.settle().await;
    (ada, secret, key)
}

#[db_test]
async fn all_that_is_held_is_taken_along(app: App) {
    let (ada, _, _) = somebody(&app).await;
    let answer = app
        .get("/api/v1/auth/export")
        .bearer(&ada.access)
        .send()
        .await
        .expect(200);
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"stoa-auth.json\"")
    );
    let all = answer.value();
    assert_eq!(
        (&all["account"]["id"], &all["account"]["email"]),
        (&json!(ada.id), &json!("ada@example.org"))
    );
    let count = |name: &str| all[name].as_array().unwrap().len();
    assert_eq!(
        ["sessions", "api_keys", "grants", "known_networks", "mail_links"].map(count),
        [1, 1, 1, 1, 1]
    );
    assert_eq!(
        (&all["recovery_codes_left"], all["totp_since"].is_string()),
        (&json!(10), true)
    );
    let actions: Vec<_> = all["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| text(&entry["action"]))
        .collect();
    let expected = [
        "totp.enable",
        "totp.begin",
        "api_key.create",
        "session.create",
        "account.create",
    ];
    assert_eq!(actions, expected);
    for secret in ["hash", "argon2", "stoa_key_"] {
        assert!(!answer.text().contains(secret), "{secret}");
    }
}

#[db_test]
async fn much_that_is_held_is_taken_along_whole_and_in_order(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let now = app.clock().now();
    let row = || -> Vec<Cell> {
        let (id, by, thing): (Id<()>, UserId, Id<()>) =
            (Id::new(app.clock()), Id::new(app.clock()), Id::new(app.clock()));
        vec![
            Box::new(id.uuid()),
            Box::new(ada.id),
            Box::new("files.read"),
            Box::new("file"),
            Box::new(thing.uuid()),
            Box::new(by),
            Box::new(now),
        ]
    };
    let columns = "grants (id, user_id, action, resource_kind, resource_id, granted_by, created_at)";
    insert_many(app.db(), columns, 1_200, row).await;
    let mut tx = app.db().begin().await.unwrap();
    for n in 0..1_700_u32 {
        let others: UserId = Id::new(app.clock());
        // What they did, what others did to them, and what they did to themselves.
        let actor = if n % 3 == 0 { others } else { ada.id };
        let resource = if n % 3 == 1 { others } else { ada.id };
        let entry = Entry::new(Some(actor), "test.note", "account", Some(resource.uuid()));
        tx.audit(&entry).await.unwrap();
    }
    tx.commit().await.unwrap();

    let call = app.get("/api/v1/auth/export").bearer(&ada.access);
    let all = call.send().await.expect(200).value();
    let ids = |list: &str| -> Vec<String> {
        let rows = all[list].as_array().unwrap().iter();
        rows.map(|row| text(&row["id"])).collect()
    };
    assert_eq!(ids("grants").len(), 1_200);
    let audit = ids("audit");
    assert_eq!(audit.len(), 1_700 + 2, "and that they registered and signed in");
    assert!(
        audit.is_sorted_by(|newer, older| newer > older),
        "newest first, each once"
    );
}

#[db_test]
async fn an_erased_account_leaves_nothing_but_its_id(app: App) {
    let (ada, secret, key) = somebody(&app).await;
    let body = |password: &str, totp: Option<&str>| json!({ "password": password, "totp": totp });
    let code = current(&app, &secret);
    assert_problem(
        &erase(&app, &ada, &body("wrong", Some(&code))).await,
        422,
        "invalid_input",
        &["password"],
    );
    assert_problem(
        &erase(&app, &ada, &body(PASSWORD, None)).await,
        422,
        "invalid_input",
        &["totp"],
    );
    assert_problem(
        &erase(&app, &ada, &body(PASSWORD, Some("nothing"))).await,
        422,
        "invalid_input",
        &["totp"],
    );
    erase(&app, &ada, &body(PASSWORD, Some(&code))).await.expect(204);

    assert_problem(&me(&app, &ada.access).await, 401, "token_revoked", &[]);
    assert_problem(&refresh(&app, &ada.refresh).await, 401, "refresh_invalid", &[]);
    assert_problem(
        &login(&app, "ada@example.org", PASSWORD).await,
        401,
        "invalid_credentials",
        &[],
    );
    assert_problem(
        &app.get("/api/v1/auth/me").api_key(&key).send().await,
        401,
        "unauthenticated",
        &[],
    );
    for table in [
        "sessions",
        "refresh_tokens",
        "mail_tokens",
        "known_networks",
        "totp",
        "recovery_codes",
        "api_keys",
        "grants",
        "user_roles",
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE user_id = $1");
        let left: i64 = app.db().fetch_one(&sql, &[&ada.id]).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    assert_eq!(
        value::<i64>(&app, "SELECT count(*) FROM accounts WHERE email LIKE 'ada%'").await,
        0
    );
    let told = "SELECT count(*) FROM audit WHERE detail LIKE '%example.org%'";
    assert_eq!(value::<i64>(&app, told).await, 0);
    assert!(audited(&app).await.contains(&"account.erase".to_owned()));

    let again = register(&app, "ada@example.org").await;
    assert_ne!(again.id, ada.id);
    assert_eq!(
        me(&app, &again.access).await.expect(200).value()["roles"],
        json!(["user"])
    );
}

#[db_test]
async fn an_administrator_goes_when_there_is_another(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let body = json!({ "password": PASSWORD });
    assert_problem(&erase(&app, &root, &body).await, 409, "last_admin", &[]);
    give(&app, &root, ada.id, "admin").await.expect(204);
    erase(&app, &root, &body).await.expect(204);
    let ada = sign_in(&app, "ada@example.org").await;
    assert_problem(&erase(&app, &ada, &body).await, 409, "last_admin", &[]);
}

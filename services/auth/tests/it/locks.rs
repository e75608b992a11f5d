//! Rows are locked in one order (`src/store/mod.rs`), so that no two requests wait for each other. Whoever waits for a row must hold
//! none of those that come after it: a request is made to wait, and what it must not hold is asked for meanwhile. Only PostgreSQL
//! locks rows; on SQLite writers take turns.

use futures::future::{BoxFuture, FutureExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stoa_db::{Engine, Tx, db_test};
use stoa_kernel::UserId;
use stoa_testkit::{Answer, Call, TestApp};

use crate::{
    App, PASSWORD, SignedIn,
    admin::{give, root},
    register,
    totp::{current, enrolled},
};

const NEW: &str = "another good one";
/// Tables whose rows belong to an account.
const BELOW_ACCOUNTS: [&str; 9] = [
    "user_roles",
    "sessions",
    "refresh_tokens",
    "mail_tokens",
    "totp",
    "recovery_codes",
    "api_keys",
    "known_networks",
    "grants",
];

/// Somebody with something in most of the tables.
struct Ada {
    app: TestApp,
    email: String,
    who: SignedIn,
    root: SignedIn,
    codes: Vec<String>,
}

impl Ada {
    async fn new(app: &TestApp) -> Self {
        let root = root(app).await;
        let role = json!({ "name": "support", "description": "", "permissions": ["files.read"] });
        let make = app.post("/api/v1/auth/roles").bearer(&root.access).json(&role);
        make.send().await.expect(201);
        let mut ada = Self {
            app: app.clone(),
            email: "ada@example.org".to_owned(),
            who: register(app, "ada@example.org").await,
            root,
            codes: Vec::new(),
        };
        ada.codes = enrolled(app, &ada.who).await.1;
        ada.who = ada.sign_in_again().await;
        ada
    }

    async fn sign_in_again(&mut self) -> SignedIn {
        let body = json!({ "email": self.email, "password": PASSWORD, "totp": self.codes.pop() });
        let call = self.app.post("/api/v1/auth/login").json(&body);
        SignedIn::of(&call.send().await.expect(200))
    }

    /// A link as a mail would hold it.
    async fn link(&self, purpose: &str) -> String {
        let hash: [u8; 32] = Sha256::digest(purpose).into();
        let now = self.app.clock().now();
        let until = self.app.clock().after(std::time::Duration::from_secs(3600));
        let mut tx = self.app.db().begin().await.unwrap();
        tx.execute("DELETE FROM mail_tokens WHERE hash = $1", &[&hash])
            .await
            .unwrap();
        let sql = "INSERT INTO mail_tokens (hash, user_id, purpose, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
        tx.execute(sql, &[&hash, &self.who.id, &purpose, &now, &until])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        purpose.to_owned()
    }

    fn mine(&self, call: Call, body: &Value) -> BoxFuture<'static, Answer> {
        call.bearer(&self.who.access).json(body).send().boxed()
    }

    fn anybody(&self, path: &str, body: &Value) -> BoxFuture<'static, Answer> {
        let call = self.app.post(&format!("/api/v1/auth/{path}"));
        call.json(body).send().boxed()
    }

    fn by_root(&self, call: Call) -> BoxFuture<'static, Answer> {
        call.bearer(&self.root.access).send().boxed()
    }

    fn post(&self, path: &str) -> Call {
        self.app.post(&format!("/api/v1/auth/{path}"))
    }

    fn delete(&self, path: &str) -> Call {
        self.app.delete(&format!("/api/v1/auth/{path}"))
    }
}

/// Locks this row, as a change of it would.
async fn lock(tx: &mut Tx, sql: &str, id: UserId) {
    assert!(tx.execute(sql, &[&id]).await.unwrap() > 0, "{sql}");
}

/// Sends the request while `held` is locked, and fails if it holds rows of `below` as it waits.
async fn waits_first(
    ada: &Ada,
    name: &str,
    held: &str,
    below: &[&str],
    request: BoxFuture<'static, Answer>,
) -> Answer {
    let db = ada.app.db();
    let mut tx = db.begin().await.unwrap();
    lock(&mut tx, held, ada.who.id).await;
    let own: i64 = tx
        .fetch_one("SELECT CAST(pg_backend_pid() AS BIGINT)", &[])
        .await
        .unwrap();
    let waiting = format!("SELECT count(*) FROM pg_stat_activity WHERE {own} = ANY (pg_blocking_pids(pid))");
    let request = tokio::spawn(request);
    while !request.is_finished() && db.fetch_one::<i64>(&waiting, &[]).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!request.is_finished(), "{name} does not wait");
    for table in below {
        let id = if *table == "accounts" { "id" } else { "user_id" };
        let sql = format!("SELECT CAST(1 AS BIGINT) FROM {table} WHERE {id} = $1 FOR UPDATE NOWAIT");
        let free = tx.fetch_all::<i64>(&sql, &[&ada.who.id]).await;
        assert!(
            free.is_ok(),
            "{name} holds rows of {table} while it waits: {free:?}"
        );
    }
    tx.rollback().await;
    let answer = request.await.unwrap();
    assert!(answer.status() < 500, "{name}: {}", answer.text());
    answer
}

const ACCOUNT: &str = "UPDATE accounts SET updated_at = updated_at WHERE id = $1";

#[db_test]
async fn whoever_waits_for_an_account_holds_none_of_its_rows(app: App) {
    if app.db().engine() == Engine::Sqlite {
        return;
    }
    let mut ada = Ada::new(&app).await;
    let mut secret = String::new();
    let role = format!("users/{}/roles/support", ada.who.id);
    let steps = [
        "assign",
        "unassign",
        "disable",
        "enable",
        "sign in",
        "verify",
        "make a key",
        "renew",
        "remove",
        "begin",
        "confirm",
        "change",
        "reset",
        "erase",
    ];
    for name in steps {
        let code = ada.codes.last().cloned();
        let proof = json!({ "password": PASSWORD, "code": code });
        let request = match name {
            "assign" => ada.by_root(app.put(&format!("/api/v1/auth/{role}"))),
            "unassign" => ada.by_root(ada.delete(&role)),
            "disable" | "enable" => ada.by_root(ada.post(&format!("users/{}/{name}", ada.who.id))),
            "sign in" => {
                ada.codes.pop();
                let body = json!({ "email": ada.email, "password": PASSWORD, "totp": code });
                ada.anybody("login", &body)
            }
            "verify" => {
                let body = json!({ "token": ada.link("verify").await });
                let call = ada.post("email/verify").bearer(&ada.who.access);
                call.json(&body).send().boxed()
            }
            "make a key" => {
                ada.codes.pop();
                let body =
                    json!({ "name": "one", "scopes": ["files.read"], "password": PASSWORD, "totp": code });
                ada.mine(ada.post("api-keys"), &body)
            }
            "renew" => ada.mine(ada.post("totp/recovery-codes"), &proof),
            "remove" => ada.mine(ada.delete("totp"), &proof),
            "begin" => ada.mine(ada.post("totp"), &json!({ "password": PASSWORD })),
            "confirm" => {
                let body = json!({ "code": current(&app, &secret) });
                ada.mine(ada.post("totp/confirm"), &body)
            }
            "change" => {
                let body = json!({ "current_password": PASSWORD, "new_password": NEW });
                ada.mine(ada.post("password/change"), &body)
            }
            "reset" => {
                let body = json!({ "token": ada.link("reset").await, "new_password": PASSWORD });
                ada.anybody("password/reset/confirm", &body)
            }
            _ => {
                let body = json!({ "password": PASSWORD, "totp": code });
                ada.mine(ada.delete("account"), &body)
            }
        };
        let answer = waits_first(&ada, name, ACCOUNT, &BELOW_ACCOUNTS, request).await;
        assert!(answer.status() < 300, "{name}: {}", answer.text());
        match name {
            "enable" | "reset" => ada.who = ada.sign_in_again().await,
            "begin" => secret = crate::text(&answer.value()["secret"]),
            "renew" | "confirm" => {
                let codes = answer.value()["recovery_codes"].as_array().unwrap().clone();
                ada.codes = codes.iter().map(crate::text).collect();
            }
            _ => {}
        }
    }
}

#[db_test]
async fn whoever_waits_for_a_role_holds_no_account(app: App) {
    if app.db().engine() == Engine::Sqlite {
        return;
    }
    let ada = Ada::new(&app).await;
    give(&app, &ada.root, ada.who.id, "support").await.expect(204);
    let held = "UPDATE roles SET version = version WHERE name IN ('support', 'admin') AND CAST($1 AS UUID) IS NOT NULL";
    let below: Vec<&str> = std::iter::once("accounts").chain(BELOW_ACCOUNTS).collect();
    let role = format!("users/{}/roles/support", ada.who.id);
    let steps = [
        ("unassign", ada.by_root(ada.delete(&role))),
        ("assign", ada.by_root(app.put(&format!("/api/v1/auth/{role}")))),
        (
            "disable",
            ada.by_root(ada.post(&format!("users/{}/disable", ada.who.id))),
        ),
    ];
    for (name, request) in steps {
        let answer = waits_first(&ada, name, held, &below, request).await;
        assert_eq!(answer.status(), 204, "{name}: {}", answer.text());
    }
}

#[db_test]
async fn whoever_waits_for_a_session_holds_no_token_of_it(app: App) {
    if app.db().engine() == Engine::Sqlite {
        return;
    }
    let ada = Ada::new(&app).await;
    let held = "UPDATE sessions SET address = address WHERE user_id = $1";
    let body = json!({ "refresh_token": ada.who.refresh });
    let request = ada.anybody("refresh", &body);
    let answer = waits_first(&ada, "refresh", held, &["refresh_tokens"], request).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
}

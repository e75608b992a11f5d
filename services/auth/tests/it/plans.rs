//! How the service reads its tables: by index, whatever their statistics say.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};
use stoa_testkit::eventually;

use crate::{App, PASSWORD, SignedIn, admin, login, me, refresh, register};

/// Of statements that read a whole table on purpose: of a few rows, a search in addresses, or of the test itself.
const MEANT: [&str; 7] = [
    "email_key LIKE",
    "signing_keys",
    "FROM roles WHERE removed_at",
    "FROM roles r LEFT JOIN role_permissions",
    "COUNT(*) FROM outbox",
    "'127.0.0.1' FROM accounts",
    "'files.read', 'file'",
];

#[db_test]
async fn statements_go_by_index_whatever_was_analysed_and_however_much_there_is(app: App) {
    let statements = Statements::of(app.db());
    register(&app, "ada@example.org").await;
    analyze(app.db()).await;
    for email in ["bob@example.org", "eve@example.org"] {
        register(&app, email).await;
        login(&app, email, "wrong password").await.expect(401);
        let signed_in = SignedIn::of(&login(&app, email, PASSWORD).await.expect(200));
        let signed_in = SignedIn::of(&refresh(&app, &signed_in.refresh).await.expect(200));
        me(&app, &signed_in.access).await.expect(200);
        for path in ["sessions", "api-keys"] {
            let path = format!("/api/v1/auth/{path}");
            app.get(&path).bearer(&signed_in.access).send().await.expect(200);
        }
        let forgot = json!({ "email": email });
        app.post("/api/v1/auth/password/reset").json(&forgot).send().await;
        app.post("/api/v1/auth/logout")
            .bearer(&signed_in.access)
            .send()
            .await;
    }
    read_lists(&app).await;
    // What is done hourly is looked at too.
    app.advance(Duration::from_secs(3700)).await;
    eventually("the purge runs", async || {
        statements.any("DELETE FROM revocation_batches")
    })
    .await;
    assert!(statements.count() > 20);
    for much in [false, true] {
        if much {
            add_accounts(app.db()).await;
        }
        let mut waste = statements.waste(app.db()).await;
        // What belongs to one person is little, and so are the first jobs of each queue: they may be sorted.
        let little = ["WHERE user_id = $1", "AS heads ORDER BY"];
        waste.retain(|one| {
            let sorts = one.line.contains("ORDER BY") || one.line.contains("Sort Key");
            !(sorts && little.iter().any(|part| one.sql.contains(part)))
        });
        waste.retain(|one| !MEANT.iter().any(|meant| one.sql.contains(meant)));
        assert!(waste.is_empty(), "{waste:#?}");
        analyze(app.db()).await;
    }
}

/// Every list but the audit log's with every set of filters: its first page, and the next one where there is one.
async fn read_lists(app: &App) {
    let root = admin::root(app).await;
    let token = &root.access;
    let post = async |path: &str, body: Value| {
        let path = format!("/api/v1/auth/{path}");
        app.post(&path).bearer(token).json(&body).send().await.expect(201);
    };
    for name in ["one", "other"] {
        post(
            "api-keys",
            json!({ "name": name, "scopes": ["profile.read"], "password": PASSWORD }),
        )
        .await;
    }
    for action in ["files.read", "files.write"] {
        post(
            "grants",
            json!({ "user_id": root.id, "action": action, "resource_kind": "file", "resource_id": root.id }),
        )
        .await;
    }
    login(app, "root@example.org", PASSWORD).await.expect(200);
    let id = root.id;
    let (user, kind) = (format!("user_id={id}"), "resource_kind=file".to_owned());
    let mut paths = every("grants", &[user, kind, format!("resource_id={id}")]);
    paths.extend(every("users", &["q=example".to_owned()]));
    paths.extend(["roles?", "sessions?", "api-keys?"].map(str::to_owned));
    for path in paths {
        let path = format!("/api/v1/auth/{path}&limit=1").replace("?&", "?");
        let page = app.get(&path).bearer(token).send().await.expect(200).value();
        if let Some(cursor) = page["next_cursor"].as_str() {
            let next = format!("{path}&cursor={cursor}");
            app.get(&next).bearer(token).send().await.expect(200);
        }
    }
}

/// The list with each set of these filters.
fn every(list: &str, filters: &[String]) -> Vec<String> {
    let sets = 0..1_usize << filters.len();
    sets.map(|set| {
        let chosen = filters.iter().enumerate();
        let chosen: Vec<_> = chosen
            .filter(|(at, _)| set >> at & 1 == 1)
            .map(|(_, filter)| filter.as_str())
            .collect();
        format!("{list}?{}", chosen.join("&"))
    })
    .collect()
}

/// Accounts, each with a session and a grant.
async fn add_accounts(db: &Db) {
    let id = match db.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let now = db.clock().now();
    for sql in [
        format!(
            "INSERT INTO accounts (id, email, email_key, password_hash, access_version, created_at, updated_at) \
             WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
             SELECT {id}, 'x', 'x' || i, 'x', 0, $1, $1 FROM n"
        ),
        format!(
            "INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, access_until, address) \
             SELECT {id}, id, $1, $1, $1, $1, '127.0.0.1' FROM accounts"
        ),
        format!(
            "INSERT INTO grants (id, user_id, action, resource_kind, resource_id, granted_by, created_at) \
             SELECT {id}, id, 'files.read', 'file', id, id, $1 FROM accounts WHERE email = 'x'"
        ),
    ] {
        db.execute(&sql, &[&now]).await.unwrap();
    }
}

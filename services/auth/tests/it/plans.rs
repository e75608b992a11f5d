//! How the service reads its tables: by index, whatever their statistics say.

use std::time::Duration;

use serde_json::json;
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};
use stoa_testkit::eventually;

use crate::{App, PASSWORD, SignedIn, login, me, refresh, register};

/// Of statements that read a whole table on purpose: of a few rows, or of the test itself.
const MEANT: [&str; 4] = [
    "signing_keys",
    "FROM roles",
    "COUNT(*) FROM outbox",
    "'127.0.0.1' FROM accounts",
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
            !(one.line.contains("ORDER BY") && little.iter().any(|part| one.sql.contains(part)))
        });
        waste.retain(|one| !MEANT.iter().any(|meant| one.sql.contains(meant)));
        assert!(waste.is_empty(), "{waste:#?}");
        analyze(app.db()).await;
    }
}

/// Accounts, each with a session and a refresh token.
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
    ] {
        db.execute(&sql, &[&now]).await.unwrap();
    }
}

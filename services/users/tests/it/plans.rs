//! How the service reads its tables: by index, whatever their statistics say.

use serde_json::json;
use stoa_auth_api::events::UserErased;
use stoa_db::{
    Db, Engine, db_test,
    testing::{Statements, analyze},
};

use crate::helpers::{App, put_preference};

/// Texts of statements that read a whole table on purpose: a search in names, what an erased person may have left, and when
/// a test may go on.
const MEANT: [&str; 3] = ["search_text LIKE", "FROM erased_users)", "COUNT(*) FROM outbox"];

#[db_test]
async fn statements_go_by_index_whatever_was_analysed_and_however_much_there_is(app: App) {
    let statements = Statements::of(app.db());
    let (ada, bob) = (app.new_user(), app.new_user());
    put_preference(&app, ada, "theme", &json!("dark"))
        .await
        .expect(200);
    analyze(app.db()).await;
    for user in [ada, bob] {
        let token = app.token(user, &["users.read"]);
        put_preference(&app, user, "theme", &json!("light"))
            .await
            .expect(200);
        for path in ["me", "me/preferences", "me/activity", "me/export"] {
            app.get(&format!("/api/v1/users/{path}"))
                .bearer(&token)
                .send()
                .await
                .expect(200);
        }
    }
    let token = app.token(ada, &["users.read"]);
    let time = app.clock().now();
    for sort in ["created_at", "-created_at", "name", "-name"] {
        for filter in [
            "",
            "&has_avatar=false",
            &format!("&created_before={time}&created_after=2000-01-01T00:00:00Z"),
        ] {
            let path = format!("/api/v1/users?limit=1&sort={sort}{filter}");
            let page = app.get(&path).bearer(&token).send().await.expect(200).value();
            let next = format!("{path}&cursor={}", page["next_cursor"].as_str().unwrap());
            app.get(&next).bearer(&token).send().await.expect(200);
        }
    }
    app.emit(&UserErased { user_id: bob }).await;
    app.settle().await;
    assert!(statements.count() > 20);
    for much in [false, true] {
        if much {
            add_preferences(app.db()).await;
        }
        let mut waste = statements.waste(app.db()).await;
        // The first jobs of each queue are few, and may be sorted.
        waste.retain(|one| !(one.line.contains("ORDER BY") && one.sql.contains("AS heads ORDER BY")));
        waste.retain(|one| !MEANT.iter().any(|meant| one.sql.contains(meant)));
        assert!(waste.is_empty(), "{waste:#?}");
        analyze(app.db()).await;
    }
}

async fn add_preferences(db: &Db) {
    let id = match db.engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let sql = format!(
        "INSERT INTO preferences (user_id, key, value, type, updated_at) \
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
         SELECT {id}, 'theme', '1', 'number', $1 FROM n"
    );
    db.execute(&sql, &[&db.clock().now()]).await.unwrap();
}

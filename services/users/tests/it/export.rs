//! Everything that is held on a person, in one text.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use stoa_db::db_test;

use crate::{
    helpers::{App, me, put_preference, register},
    pictures,
};

async fn export(app: &App, user: stoa_kernel::UserId) -> Value {
    let answer = app
        .get("/api/v1/users/me/export")
        .bearer(&app.token(user, &[]))
        .send()
        .await
        .expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.value()
}

#[db_test]
async fn an_export_holds_all_there_is(app: App) {
    let (user, admin) = (register(&app, "Ada", "Lovelace").await, app.new_user());
    put_preference(&app, user, "theme", &json!("dark"))
        .await
        .expect(200);
    put_preference(&app, app.new_user(), "foreign", &json!("x"))
        .await
        .expect(200);
    let call = app.put("/api/v1/users/me/avatar").bearer(&app.token(user, &[]));
    call.body("image/png", pictures::png(8, 8))
        .send()
        .await
        .expect(200);
    let path = format!("/api/v1/users/{user}");
    app.get(&path)
        .bearer(&app.token(admin, &["users.read"]))
        .send()
        .await
        .expect(200);

    let all = export(&app, user).await;
    assert_eq!(all["profile"], me(&app, user).await);
    assert_eq!(all["preferences"].as_array().unwrap().len(), 1);
    assert_eq!(all["preferences"][0]["value"], "dark");
    let actions: Vec<_> = all["activity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["profile.export", "profile.read", "avatar.set", "preference.set"]
    );
    let picture = STANDARD
        .decode(all["avatar"]["base64"].as_str().unwrap())
        .unwrap();
    let shown = app
        .get(all["profile"]["avatar_url"].as_str().unwrap())
        .send()
        .await
        .expect(200);
    assert_eq!(picture, *shown.bytes());
    assert_eq!(app.audited("profile.export").await.len(), 1);
    assert!(!all.to_string().contains("foreign"));
}

#[db_test]
async fn an_export_of_next_to_nothing_is_whole_as_well(app: App) {
    let all = export(&app, app.new_user()).await;
    assert_eq!((&all["preferences"], &all["avatar"]), (&json!([]), &Value::Null));
    assert_eq!(all["activity"].as_array().unwrap().len(), 1);
}

#[db_test]
async fn a_long_log_is_exported_to_its_end(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let sql = "INSERT INTO activity (user_id, id, action, actor_id, detail, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    let mut tx = app.db().begin().await.unwrap();
    for _ in 0..1100 {
        let id: stoa_kernel::Id<()> = tx.new_id();
        tx.execute(
            sql,
            &[&user, &id, &"profile.update", &user, &"{}", &app.clock().now()],
        )
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let all = export(&app, user).await;
    let entries = all["activity"].as_array().unwrap();
    let ids: std::collections::BTreeSet<_> = entries
        .iter()
        .map(|entry| entry["id"].as_str().unwrap())
        .collect();
    assert_eq!((entries.len(), ids.len()), (1101, 1101));
}

//! API keys act for their owner within their scopes.

use serde_json::json;
use stoa_db::db_test;
use stoa_testkit::{Call, assert_problem};

use crate::{
    helpers::{App, register},
    pictures,
};

fn calls(app: &App) -> Vec<(&'static str, Call)> {
    let me = "/api/v1/users/me";
    vec![
        ("profile.read", app.get(me)),
        (
            "profile.write",
            app.patch(me).json(&json!({"bio": "by a program"})),
        ),
        (
            "profile.write",
            app.put("/api/v1/users/me/avatar")
                .body("image/png", pictures::png(8, 8)),
        ),
        ("profile.write", app.delete("/api/v1/users/me/avatar")),
        (
            "preferences.write",
            app.put("/api/v1/users/me/preferences/theme")
                .json(&json!({"value": "dark"})),
        ),
        ("preferences.read", app.get("/api/v1/users/me/preferences")),
        ("preferences.read", app.get("/api/v1/users/me/preferences/theme")),
        (
            "preferences.write",
            app.delete("/api/v1/users/me/preferences/theme"),
        ),
        ("activity.read", app.get("/api/v1/users/me/activity")),
        ("export.read", app.get("/api/v1/users/me/export")),
        ("users.read", app.get("/api/v1/users")),
    ]
}

#[db_test]
async fn a_key_does_what_its_scope_names_and_nothing_else(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    let all = [
        "profile.read",
        "profile.write",
        "preferences.read",
        "preferences.write",
        "activity.read",
        "export.read",
        "users.read",
    ];
    for (scope, call) in calls(&app) {
        let others: Vec<_> = all.into_iter().filter(|other| *other != scope).collect();
        let answer = call.api_key(&app.api_key(user, &others)).send().await;
        assert_problem(&answer, 403, "forbidden", &[]);
    }
    for (scope, call) in calls(&app) {
        let answer = call.api_key(&app.api_key(user, &[scope])).send().await;
        assert!(
            answer.status() < 300,
            "{scope}: {} {}",
            answer.status(),
            answer.text()
        );
    }
}

#[db_test]
async fn a_key_reads_its_owner_by_id_and_others_only_with_the_permission(app: App) {
    let (user, other) = (
        register(&app, "Ada", "Lovelace").await,
        register(&app, "Charles", "Babbage").await,
    );
    let path = |user| format!("/api/v1/users/{user}");
    let narrow = app.api_key(user, &["profile.read"]);
    app.get(&path(user)).api_key(&narrow).send().await.expect(200);
    app.get(&path(other)).api_key(&narrow).send().await.expect(403);
    app.get(&path(user))
        .api_key(&app.api_key(user, &["activity.read"]))
        .send()
        .await
        .expect(403);
    app.get(&path(other))
        .api_key(&app.api_key(user, &["users.read"]))
        .send()
        .await
        .expect(200);
}

#[db_test]
async fn nobody_gets_in_without_credentials(app: App) {
    for (_, call) in calls(&app) {
        assert_problem(&call.send().await, 401, "unauthenticated", &[]);
    }
    app.get("/api/v1/users")
        .bearer(&app.token(app.new_user(), &[]))
        .send()
        .await
        .expect(403);
}

#[db_test]
async fn every_route_says_who_may_call_it(app: App) {
    use stoa_http::openapi::Access;
    let routes = app.routes();
    assert_eq!(routes.len(), 13);
    for route in &routes {
        let public = route.path == "/api/v1/users/{user_id}/avatar/{hash}";
        assert_eq!(
            route.access == Access::Public,
            public,
            "{} {}",
            route.method,
            route.path
        );
        assert_ne!(route.access, Access::Unstated, "{} {}", route.method, route.path);
    }
}

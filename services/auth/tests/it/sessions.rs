//! Listing and ending sessions.

use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_testkit::assert_problem;

use crate::{App, PASSWORD, SignedIn, login, me, refresh, register, text};

async fn signed_in(app: &App, email: &str) -> SignedIn {
    SignedIn::of(&login(app, email, PASSWORD).await.expect(200))
}

#[db_test]
async fn signing_out_ends_the_session_at_once(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let other = signed_in(&app, "ada@example.org").await;
    app.post("/api/v1/auth/logout")
        .bearer(&ada.access)
        .send()
        .await
        .expect(204);
    assert_problem(&me(&app, &ada.access).await, 401, "token_revoked", &[]);
    assert_problem(&refresh(&app, &ada.refresh).await, 401, "refresh_invalid", &[]);
    me(&app, &other.access).await.expect(200);
    assert_problem(
        &app.post("/api/v1/auth/logout").send().await,
        401,
        "unauthenticated",
        &[],
    );
}

#[db_test]
async fn one_session_can_be_ended_from_another(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let lost = signed_in(&app, "ada@example.org").await;
    let path = format!("/api/v1/auth/sessions/{}", lost.session());
    app.delete(&path).bearer(&ada.access).send().await.expect(204);
    assert_problem(&me(&app, &lost.access).await, 401, "token_revoked", &[]);
    assert_problem(
        &app.delete(&path).bearer(&ada.access).send().await,
        404,
        "not_found",
        &[],
    );
    me(&app, &ada.access).await.expect(200);
}

#[db_test]
async fn nobody_ends_somebody_elses(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let bob = register(&app, "bob@example.org").await;
    for id in [ada.session(), Id::new(app.clock())] {
        let path = format!("/api/v1/auth/sessions/{id}");
        assert_problem(
            &app.delete(&path).bearer(&bob.access).send().await,
            404,
            "not_found",
            &[],
        );
    }
    me(&app, &ada.access).await.expect(200);
    let listed = app
        .get("/api/v1/auth/sessions")
        .bearer(&bob.access)
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[db_test]
async fn signing_out_everywhere_ends_all_of_them(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let other = signed_in(&app, "ada@example.org").await;
    let bob = register(&app, "bob@example.org").await;
    app.delete("/api/v1/auth/sessions")
        .bearer(&other.access)
        .send()
        .await
        .expect(204);
    for token in [&ada.access, &other.access] {
        assert_problem(&me(&app, token).await, 401, "token_revoked", &[]);
    }
    me(&app, &bob.access).await.expect(200);
    login(&app, "ada@example.org", PASSWORD).await.expect(200);
}

#[db_test]
async fn sessions_come_in_pages_newest_first(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let mut expected = vec![ada.session().to_string()];
    for _ in 0..4 {
        expected.push(signed_in(&app, "ada@example.org").await.session().to_string());
    }
    expected.reverse();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/auth/sessions?limit=2{cursor}");
        let page = app
            .get(&path)
            .bearer(&ada.access)
            .send()
            .await
            .expect(200)
            .value();
        found.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| text(&item["id"])),
        );
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, expected);
    let answer = app
        .get("/api/v1/auth/sessions?cursor=nonsense")
        .bearer(&ada.access)
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["cursor"]);
}

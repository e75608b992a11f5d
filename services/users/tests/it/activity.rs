//! The activity log, by the page and for as long as it is kept.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::{assert_problem, eventually};

use crate::helpers::{App, count, put_preference, register};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[db_test]
async fn pages_walk_through_the_log_newest_first(app: App) {
    let (user, other) = (register(&app, "Ada", "Lovelace").await, app.new_user());
    for number in 0..7 {
        put_preference(&app, user, &format!("key-{number}"), &json!(number))
            .await
            .expect(200);
        put_preference(&app, other, "foreign", &json!(number))
            .await
            .expect(200);
    }
    let token = app.token(user, &[]);
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/users/me/activity?limit=3{cursor}");
        let page = app.get(&path).bearer(&token).send().await.expect(200).value();
        for item in page["items"].as_array().unwrap() {
            keys.push(item["detail"]["key"].as_str().unwrap().to_owned());
            assert_eq!(item["actor_id"], json!(user));
        }
        let Value::String(next) = &page["next_cursor"] else {
            break;
        };
        cursor = format!("&cursor={next}");
        // What comes in meanwhile is on none of the further pages.
        put_preference(&app, user, "late", &json!(1)).await.expect(200);
    }
    assert_eq!(
        keys,
        ["key-6", "key-5", "key-4", "key-3", "key-2", "key-1", "key-0"]
    );
    let bad = app
        .get("/api/v1/users/me/activity?cursor=x")
        .bearer(&token)
        .send()
        .await;
    assert_problem(&bad, 422, "invalid_input", &["cursor"]);
}

#[db_test]
async fn what_is_older_than_it_is_kept_goes(app: App) {
    let user = register(&app, "Ada", "Lovelace").await;
    put_preference(&app, user, "old", &json!(1)).await.expect(200);
    app.advance(200 * DAY).await;
    put_preference(&app, user, "newer", &json!(1)).await.expect(200);
    app.advance(170 * DAY).await;
    eventually("the old entry is gone", || async {
        count(&app, "activity").await == 1
    })
    .await;
    let left: String = crate::helpers::one(app.db(), "SELECT detail FROM activity").await;
    assert_eq!(left, r#"{"key":"newer"}"#);
}

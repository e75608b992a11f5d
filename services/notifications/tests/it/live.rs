//! What those are shown who look at their inbox just now.

use serde_json::json;
use stoa_db::db_test;
use stoa_events::Channel;
use stoa_notifications::events::{InboxChanged, NotificationShown};

use crate::helpers::{App, inbox, person, shipped};

#[db_test]
async fn an_inbox_tells_what_comes_and_what_changes(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    for order in ["1", "2"] {
        shipped(&app, ada, order).await;
    }
    let channel = Channel::user(ada);
    let shown = app.published::<NotificationShown>(&channel).await;
    assert_eq!(shown.len(), 2);
    assert_eq!(
        (&*shown[1].title, shown[1].link.as_deref(), shown[1].unread),
        ("Order 2", Some("/orders/2"), 2)
    );
    let items = inbox(&app, ada, "").await;
    assert_eq!(items[0]["id"], json!(shown[1].id));
    let token = app.token(ada, &[]);
    let path = format!("/api/v1/notifications/{}", shown[1].id);
    app.patch(&path)
        .bearer(&token)
        .json(&json!({"read": true}))
        .send()
        .await
        .expect(200);
    app.post("/api/v1/notifications/read-all")
        .bearer(&token)
        .send()
        .await
        .expect(204);
    let changed: Vec<_> = app
        .published::<InboxChanged>(&channel)
        .await
        .iter()
        .map(|one| one.unread)
        .collect();
    assert_eq!(changed, [1, 0]);
    assert!(
        app.published::<NotificationShown>(&Channel::user(bob))
            .await
            .is_empty()
    );
}

//! Unsubscribing by the link of a mail, without signing in.

use serde_json::json;
use stoa_auth_api::events::{UserErased, UserRegistered};
use stoa_db::db_test;
use stoa_mail::Header;
use stoa_testkit::TestApp;

use crate::helpers::{App, counts, notify, person, shipped};

/// The path of the link in the newest mail.
async fn link(app: &TestApp) -> String {
    let mail = app.mails().await.into_iter().next().unwrap();
    let headers = &mail.headers;
    assert_eq!(
        headers[&Header::ListUnsubscribePost],
        "List-Unsubscribe=One-Click"
    );
    let address = headers[&Header::ListUnsubscribe]
        .trim_matches(['<', '>'])
        .to_owned();
    assert!(mail.html.as_ref().unwrap().contains(&address), "{address}");
    let html = mail.html.unwrap();
    let (_, rest) = html.split_once("/notifications/unsubscribe?token=").unwrap();
    let token: String = rest
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    format!("/notifications/unsubscribe?token={token}")
}

#[db_test]
async fn a_link_asks_first_and_a_post_switches_off_that_category_alone(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    shipped(&app, bob, "0").await;
    shipped(&app, ada, "1").await;
    let link = link(&app).await;
    // Programs that look at mails follow links: nothing is changed by that.
    let page = app.get(&link).send().await.expect(200);
    let text = page.text();
    assert!(
        text.contains("no more mails of the category “Orders”") && text.contains("<form"),
        "{text}"
    );
    assert!(
        page.header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    assert_eq!(
        (page.header("referrer-policy"), page.header("cache-control")),
        (Some("no-referrer"), Some("no-store"))
    );
    shipped(&app, ada, "2").await;
    assert_eq!(app.mails().await.len(), 3);
    // As mail programs do it: no cookies, no session, no further questions.
    for _ in 0..2 {
        let done = app
            .post(&link)
            .body("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click")
            .send()
            .await;
        assert!(
            done.expect(200)
                .text()
                .contains("You get no more mails of the category “Orders”")
        );
    }
    shipped(&app, ada, "3").await;
    shipped(&app, bob, "4").await;
    let mails = app.mails().await;
    assert_eq!((mails.len(), &*mails[0].to), (4, "bob@example.com"));
    assert_eq!(counts(&app, ada).await, (3, 3), "the inbox goes on");
    notify(&app, "shop.alarm", ada, json!({})).await;
    let alarm = &app.mails().await[0];
    assert_eq!(alarm.subject, "Fire");
    assert!(
        !format!("{alarm:?}").contains("unsubscribe"),
        "nobody unsubscribes from what is critical"
    );
    assert_eq!(app.audited("notification_preferences.unsubscribe").await.len(), 2);
}

#[db_test]
async fn a_link_that_is_none_says_so_and_one_of_an_erased_person_ends(app: App) {
    let ada = person(&app, "ada");
    shipped(&app, ada, "1").await;
    let link = link(&app).await;
    let cut = &link[..link.len() - 1];
    for path in [
        cut,
        "/notifications/unsubscribe",
        "/notifications/unsubscribe?token=",
        "/notifications/unsubscribe?token=%00'--",
    ] {
        let page = app.get(path).send().await.expect(404);
        assert!(page.text().contains("not valid any more"), "{path}");
        app.post(path).send().await.expect(404);
    }
    let long = format!("/notifications/unsubscribe?token={}", "x".repeat(2000));
    app.get(&long).send().await.expect(404);
    app.emit(&UserErased { user_id: ada }).await;
    app.settle().await;
    app.get(&link).send().await.expect(404);
    app.post(&link).send().await.expect(404);
}

#[db_test]
async fn the_page_speaks_the_persons_language_and_names_the_category_as_people_do(app: App) {
    let ada = person(&app, "ada");
    crate::preferences::set_preference(&app, ada, "language", Some(json!("de-CH"))).await;
    app.emit(&UserRegistered {
        user_id: ada,
        email: "ada@example.com".to_owned(),
        first_name: None,
        last_name: None,
    })
    .await;
    app.settle().await;
    let link = link(&app).await;
    let page = app.get(&link).send().await.expect(200).text();
    for part in [
        "<html lang=\"de\">",
        "keine E-Mails mehr zum Thema „Ihr Konto“",
        "Abbestellen",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let done = app.post(&link).send().await.expect(200).text();
    assert!(
        done.contains("Sie bekommen keine E-Mails mehr zum Thema „Ihr Konto“"),
        "{done}"
    );
    // Nobody is known by a link that is not valid: it says so as the browser asks.
    let bad = app
        .get("/notifications/unsubscribe")
        .header("accept-language", "de-CH,de;q=0.9,en;q=0.5");
    let bad = bad.send().await.expect(404).text();
    assert!(bad.contains("ist nicht mehr gültig"), "{bad}");
}

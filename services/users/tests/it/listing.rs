//! The list of people: searched, filtered, ordered, by the page, and written down.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::assert_problem;

use crate::{
    helpers::{App, activity, emit_registered, register},
    pictures,
};

/// A query with its parameters escaped.
fn path(params: &[(&str, &str)]) -> String {
    let mut path = "/api/v1/users?".to_owned();
    for (name, value) in params {
        let escaped: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        path.push_str(&format!("{name}={escaped}&"));
    }
    path
}

async fn list(app: &App, params: &[(&str, &str)]) -> Value {
    let admin = app.token(app.new_user(), &["users.read"]);
    app.get(&path(params))
        .bearer(&admin)
        .send()
        .await
        .expect(200)
        .value()
}

async fn names(app: &App, params: &[(&str, &str)]) -> Vec<String> {
    let page = list(app, params).await;
    let name = |item: &Value| item["first_name"].as_str().unwrap_or("-").to_owned();
    page["items"].as_array().unwrap().iter().map(name).collect()
}

#[db_test]
async fn people_are_found_by_any_part_of_their_name_in_any_case(app: App) {
    for (first, last) in [
        ("Ada", "Lovelace"),
        ("Émile", "Zola"),
        ("Ωmega", "Στρατός"),
        ("Борис", "Пастернак"),
    ] {
        register(&app, first, last).await;
    }
    for (q, found) in [
        ("ada", vec!["Ada"]),
        ("LOVEL", vec!["Ada"]),
        ("a l", vec!["Ada"]),
        (" lovelace ", vec!["Ada"]),
        ("ÉMILE", vec!["Émile"]),
        ("émile z", vec!["Émile"]),
        ("ωMEGA", vec!["Ωmega"]),
        ("ПАСТ", vec!["Борис"]),
        ("nobody", vec![]),
    ] {
        assert_eq!(names(&app, &[("q", q)]).await, found, "{q}");
    }
    assert_eq!(names(&app, &[("q", "  ")]).await.len(), 4);
}

#[db_test]
async fn names_are_found_however_their_accents_and_cases_are_written(app: App) {
    for (first, last) in [("Jose\u{301}", "García"), ("ΟΔΥΣΣΕΥΣ", ""), ("Straße", "")] {
        register(&app, first, last).await;
    }
    for (q, found) in [
        ("José", "José"),
        ("jose\u{301}", "José"),
        ("JOSÉ GARCI\u{301}A", "José"),
        ("ΟΔΥΣ", "ΟΔΥΣΣΕΥΣ"),
        ("οδυσσεύς", ""),
        ("οδυσσευς", "ΟΔΥΣΣΕΥΣ"),
        ("STRASSE", "Straße"),
        ("straß", "Straße"),
    ] {
        let found: Vec<_> = Some(found).filter(|name| !name.is_empty()).into_iter().collect();
        assert_eq!(names(&app, &[("q", q)]).await, found, "{q}");
    }
}

#[db_test]
async fn names_of_before_are_found_once_they_are_folded(app: App) {
    let user = register(&app, "ΟΔΥΣΣΕΥΣ", "").await;
    // As it was written before.
    let sql = "UPDATE profiles SET is_folded = FALSE, search_text = $1, name_key = $2";
    app.db()
        .execute(sql, &[&"οδυσσευς", &"οδυσσευς".as_bytes()])
        .await
        .unwrap();
    assert!(names(&app, &[("q", "ΟΔΥΣΣΕΥΣ")]).await.is_empty());
    let again = stoa_users::service(app.env().clone(), stoa_testkit::settings("users"));
    (again.start.unwrap())().await.unwrap();
    app.settle().await;
    assert_eq!(names(&app, &[("q", "ΟΔΥΣΣΕΥΣ")]).await, ["ΟΔΥΣΣΕΥΣ"]);
    let left: i64 = crate::helpers::one(app.db(), "SELECT count(*) FROM profiles WHERE NOT is_folded").await;
    assert_eq!(left, 0);
    let profile = crate::helpers::me(&app, user).await;
    assert_eq!(
        profile["created_at"], profile["updated_at"],
        "nobody has changed it"
    );
}

#[db_test]
async fn wildcards_and_code_in_a_search_are_only_text(app: App) {
    for first in ["100%", "under_score", "back\\slash", "it's", "plain"] {
        register(&app, first, "").await;
    }
    for (q, found) in [
        ("%", vec!["100%"]),
        ("_", vec!["under_score"]),
        ("\\", vec!["back\\slash"]),
        ("'", vec!["it's"]),
        ("' OR 1=1 --", vec![]),
        ("'; DROP TABLE profiles; --", vec![]),
        ("%plain%", vec![]),
        ("$1", vec![]),
    ] {
        assert_eq!(names(&app, &[("q", q)]).await, found, "{q}");
    }
    assert_eq!(names(&app, &[]).await.len(), 5);
}

#[db_test]
async fn bad_parameters_are_refused_by_name(app: App) {
    register(&app, "Ada", "Lovelace").await;
    let admin = app.token(app.new_user(), &["users.read"]);
    for (name, value) in [
        ("sort", "bio"),
        ("sort", "name; DROP TABLE profiles"),
        ("sort", ""),
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "many"),
        ("cursor", "nonsense"),
        ("cursor", "eyJ0IjpbMSwyXX0"),
        ("cursor", "' OR 1=1 --"),
        ("created_after", "yesterday"),
        ("has_avatar", "maybe"),
        ("offset", "10"),
    ] {
        let answer = app.get(&path(&[(name, value)])).bearer(&admin).send().await;
        assert_problem(&answer, 422, "invalid_input", &[name]);
    }
    let answer = app
        .get(&path(&[("q", &"x".repeat(101))]))
        .bearer(&admin)
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["q"]);
    assert_problem(
        &app.get(&path(&[("q", "a\0b")])).bearer(&admin).send().await,
        422,
        "invalid_input",
        &["q"],
    );
}

#[db_test]
async fn a_cursor_belongs_to_its_order(app: App) {
    for first in ["Ada", "Grace", "Edsger"] {
        register(&app, first, "").await;
    }
    let cursor = list(&app, &[("limit", "1"), ("sort", "name")]).await["next_cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        names(&app, &[("sort", "name"), ("cursor", &cursor)]).await,
        ["Edsger", "Grace"]
    );
    let admin = app.token(app.new_user(), &["users.read"]);
    let answer = app
        .get(&path(&[("sort", "created_at"), ("cursor", &cursor)]))
        .bearer(&admin)
        .send()
        .await;
    assert_problem(&answer, 422, "invalid_input", &["cursor"]);
}

#[db_test]
async fn lists_are_ordered_alike_on_both_databases(app: App) {
    for (first, last) in [
        ("b", "Ä"),
        ("a", "z"),
        ("B", "a"),
        ("c", "a-b"),
        ("d", "A b"),
        ("", ""),
    ] {
        register(&app, first, last).await;
    }
    // By "last first" in lower case, character by character.
    let expected = ["-", "B", "d", "c", "a", "b"];
    let by_name = names(&app, &[("sort", "name")]).await;
    assert_eq!(by_name, expected);
    let mut reversed = names(&app, &[("sort", "-name")]).await;
    reversed.reverse();
    assert_eq!(reversed, expected);
    let newest = names(&app, &[]).await;
    assert_eq!(newest, ["-", "d", "c", "B", "a", "b"]);
    let mut oldest = names(&app, &[("sort", "created_at")]).await;
    oldest.reverse();
    assert_eq!(oldest, newest);
}

#[db_test]
async fn lists_are_filtered_by_time_and_picture(app: App) {
    let ada = register(&app, "Ada", "").await;
    app.clock().advance(std::time::Duration::from_secs(60));
    let between = app.clock().now().to_string();
    app.clock().advance(std::time::Duration::from_secs(60));
    register(&app, "Grace", "").await;
    app.put("/api/v1/users/me/avatar")
        .bearer(&app.token(ada, &[]))
        .body("image/png", pictures::png(8, 8))
        .send()
        .await
        .expect(200);
    assert_eq!(names(&app, &[("created_after", &between)]).await, ["Grace"]);
    assert_eq!(names(&app, &[("created_before", &between)]).await, ["Ada"]);
    let always = [
        ("created_after", "0000-01-01T00:00:00Z"),
        ("created_before", "9999-12-31T23:59:59Z"),
    ];
    assert_eq!(names(&app, &always).await.len(), 2);
    assert_eq!(names(&app, &[("has_avatar", "true")]).await, ["Ada"]);
    assert_eq!(names(&app, &[("has_avatar", "false")]).await, ["Grace"]);
    assert_eq!(
        names(&app, &[("has_avatar", "true"), ("created_after", &between)]).await,
        [""; 0]
    );
}

#[db_test]
async fn pages_walk_through_everybody_once_while_more_come_in(app: App) {
    let mut all = Vec::new();
    for number in 0..25 {
        let user = app.new_user();
        // Many of the same name: then the id decides.
        emit_registered(&app, user, &format!("n{}", number % 4), "same").await;
        all.push(user.to_string());
    }
    app.settle().await;
    for sort in ["created_at", "-created_at", "name", "-name"] {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut params = vec![("sort", sort), ("limit", "7")];
            params.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = list(&app, &params).await;
            for item in page["items"].as_array().unwrap() {
                *seen
                    .entry(item["user_id"].as_str().unwrap().to_owned())
                    .or_default() += 1;
            }
            if page["next_cursor"].is_null() || seen.len() > 60 {
                break;
            }
            cursor = Some(page["next_cursor"].as_str().unwrap().to_owned());
            register(&app, "n2", "same").await;
        }
        assert!(seen.values().all(|times| *times == 1), "{sort}: {seen:?}");
        assert!(
            all.iter().all(|user| seen.contains_key(user)),
            "{sort}: somebody was left out"
        );
    }
}

#[db_test]
async fn a_page_is_written_down_once_and_for_each_person(app: App) {
    let (ada, grace) = (register(&app, "Ada", "").await, register(&app, "Grace", "").await);
    let admin = register(&app, "Admin", "").await;
    let token = app.token(admin, &["users.read"]);
    app.get("/api/v1/users").bearer(&token).send().await.expect(200);
    for user in [ada, grace] {
        let entries = activity(&app, user).await;
        assert_eq!(entries.len(), 1);
        assert_eq!(
            (&entries[0]["action"], &entries[0]["actor_id"]),
            (&json!("profile.read"), &json!(admin))
        );
    }
    assert!(
        activity(&app, admin).await.is_empty(),
        "looking at oneself is nothing to write down"
    );
    let entries = app.audited("profile.list").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].detail, json!({"user_ids": [grace, ada]}));
    app.get("/api/v1/users?q=nobody")
        .bearer(&token)
        .send()
        .await
        .expect(200);
    assert_eq!(app.audited("profile.list").await.len(), 1, "nobody was seen");
}

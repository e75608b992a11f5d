//! What an endpoint may be, and how many there can be.

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_kernel::OrganizationRole;
use stoa_notifications_api::{NotificationRequested, Recipients};
use stoa_testkit::assert_problem;
use stoa_webhooks::{
    EndpointOwner,
    events::{EndpointCreated, EndpointDeleted, EndpointUpdated},
};

use crate::helpers::{App, ENDPOINTS, Sink, create, items};

#[db_test]
async fn an_endpoint_is_made_changed_and_deleted_on_the_record(app: App) {
    let (ada, sink) = (app.new_user(), Sink::start().await);
    let token = app.token(ada, &[]);
    let body =
        json!({"url": sink.url, "events": ["user.*", "webhook.disabled", "user.*"], "description": " Ours "});
    let made = create(&app, &token, &body).await.expect(201).value();
    assert_eq!(made["events"], json!(["user.*", "webhook.disabled"]));
    assert_eq!(
        (&made["description"], &made["signature"]),
        (&json!("Ours"), &json!("v1"))
    );
    assert_eq!(made["owner"], json!({"kind": "user", "id": ada}));
    assert!(made.get("secret").is_none(), "it is fetched by itself");
    let path = format!("{ENDPOINTS}/{}", made["id"].as_str().unwrap());
    let read = app.get(&path).bearer(&token).send().await.expect(200);
    let tag = read.header("etag").unwrap().to_owned();
    let patch = async |tag: &str, body: Value| {
        app.patch(&path)
            .bearer(&token)
            .header("if-match", tag)
            .json(&body)
            .send()
            .await
    };
    patch(&tag, json!({"rate": 5, "ordered": true})).await.expect(200);
    assert_problem(
        &patch(&tag, json!({"rate": null})).await,
        412,
        "precondition_failed",
        &[],
    );
    let changed = app
        .patch(&path)
        .bearer(&token)
        .json(&json!({"rate": null}))
        .send()
        .await
        .expect(200)
        .value();
    assert_eq!(
        (&changed["rate"], &changed["ordered"]),
        (&json!(null), &json!(true))
    );
    app.delete(&path).bearer(&token).send().await.expect(204);
    assert_problem(&app.get(&path).bearer(&token).send().await, 404, "not_found", &[]);
    let owner = EndpointOwner::User(ada);
    assert_eq!(app.emitted::<EndpointCreated>().await[0].owner, owner);
    assert_eq!(
        app.emitted::<EndpointUpdated>().await[0].fields,
        ["rate", "ordered"]
    );
    assert_eq!(app.emitted::<EndpointDeleted>().await.len(), 1);
    let asked = app.emitted::<NotificationRequested>().await;
    let kinds: Vec<_> = asked.iter().map(|one| &*one.kind).collect();
    assert_eq!(kinds, ["webhook.destination_added"], "a rate is none");
    assert_eq!(asked[0].recipients, Recipients::Users(vec![ada]));
    for (action, count) in [
        ("webhook.create", 1),
        ("webhook.update", 2),
        ("webhook.delete", 1),
    ] {
        assert_eq!(app.audited(action).await.len(), count, "{action}");
    }
    assert!(items(&app, &token, ENDPOINTS).await.is_empty());
}

#[db_test]
async fn who_manages_an_organization_learns_of_each_new_destination(app: App) {
    let organization = app.new_organization();
    let token = app.member_token(app.new_user(), organization, OrganizationRole::Admin);
    let body =
        json!({"url": "http://127.0.0.1:8009/x?secret=1", "events": ["*"], "organization_id": organization});
    let made = create(&app, &token, &body).await.expect(201).value();
    let path = format!("{ENDPOINTS}/{}", made["id"].as_str().unwrap());
    let patch = async |body: Value| {
        let call = app.patch(&path).bearer(&token).json(&body);
        call.send().await.expect(200);
    };
    patch(json!({"events": ["user.*"]})).await;
    patch(json!({"url": "http://127.0.0.1:8009/y"})).await;
    patch(json!({"url": "http://127.0.0.2:8009/"})).await;
    let asked = app.emitted::<NotificationRequested>().await;
    let hosts: Vec<_> = asked.iter().map(|one| &one.data["host"]).collect();
    assert_eq!(hosts, ["127.0.0.1", "127.0.0.2"]);
    for one in &asked {
        assert_eq!(one.recipients, Recipients::Managers(organization));
        assert!(!one.data.to_string().contains("secret"));
    }
    for number in 0..20 {
        patch(json!({"url": format!("http://127.0.0.{}:8009/", 3 + number)})).await;
    }
    let asked = app.emitted::<NotificationRequested>().await;
    assert!(asked.len() <= 10, "no mailbox is filled");
}

#[db_test]
async fn headers_stay_with_the_server_that_they_are_for(app: App) {
    let token = app.token(app.new_user(), &[]);
    let headers = json!({"authorization": "Bearer secret"});
    let body = json!({"url": "http://127.0.0.1:8009/x", "events": ["*"], "headers": headers});
    let made = create(&app, &token, &body).await.expect(201).value();
    let path = format!("{ENDPOINTS}/{}", made["id"].as_str().unwrap());
    let patch = async |body: Value| app.patch(&path).bearer(&token).json(&body).send().await;
    patch(json!({"url": "http://127.0.0.1:8009/y"})).await.expect(200);
    for url in ["http://127.0.0.2:8009/y", "http://127.0.0.1:8010/y"] {
        let answer = patch(json!({ "url": url })).await;
        assert_problem(&answer, 422, "invalid_input", &["headers"]);
        patch(json!({ "url": url, "headers": {} })).await.expect(200);
        patch(json!({ "headers": headers })).await.expect(200);
    }
}

#[db_test]
async fn what_must_not_be_called_is_refused_when_it_is_saved(app: App) {
    let token = app.token(app.new_user(), &[]);
    for url in [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[64:ff9b::7f00:1]/",
        "ftp://example.com/",
        "http://user:password@127.0.0.1/",
        "not a url",
        "http://127.0.0.1:25/",
        "https://example.com/#x",
        "",
    ] {
        let body = json!({"url": url, "events": ["*"]});
        assert_problem(&create(&app, &token, &body).await, 422, "invalid_input", &["url"]);
    }
    let with = |more: Value| {
        let mut body = json!({"url": "http://127.0.0.1:8009/", "events": ["*"]});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    for (more, field) in [
        (json!({"events": []}), "events"),
        (json!({"events": ["nothing.happened"]}), "events[0]"),
        (json!({"events": ["*", "session.revoked"]}), "events[1]"),
        (json!({"events": ["role.*"]}), "events[0]"),
        (json!({"headers": {"Host": "x"}}), "headers.Host"),
        (
            json!({"headers": {"webhook-signature": "x"}}),
            "headers.webhook-signature",
        ),
        (json!({"headers": {"x": "a\r\nb"}}), "headers.x"),
        (json!({"rate": 0}), "rate"),
        (json!({"rate": 100_000}), "rate"),
        (json!({"description": "x".repeat(201)}), "description"),
        (json!({"signature": "v2"}), "signature"),
        (json!({"secret": "whsec_x"}), "secret"),
    ] {
        assert_problem(
            &create(&app, &token, &with(more)).await,
            422,
            "invalid_input",
            &[field],
        );
    }
    assert!(items(&app, &token, ENDPOINTS).await.is_empty());
}

#[db_test]
async fn there_is_room_for_so_many_also_when_all_come_at_once(app: App) {
    let token = app.token(app.new_user(), &[]);
    let body = json!({"url": "http://127.0.0.1:8009/", "events": ["user.erased"]});
    let answers = stream::iter(0..12).map(|_| create(&app, &token, &body));
    let answers: Vec<_> = answers.buffer_unordered(12).collect().await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status() == 201);
    assert_eq!(made.len(), 4);
    for answer in refused {
        assert_problem(answer, 409, "webhook_endpoints_full", &[]);
    }
}

#[db_test]
async fn event_types_have_a_schema_and_a_sample_that_fits(app: App) {
    let types = "/api/v1/webhooks/event-types";
    let person = items(&app, &app.token(app.new_user(), &[]), types).await;
    let operator = items(&app, &app.token(app.new_user(), &["webhooks.*"]), types).await;
    let names = |types: &[Value]| {
        types
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(names(&person).contains(&"user.registered".to_owned()));
    assert!(!names(&operator).contains(&"session.revoked".to_owned()));
    for one in &operator {
        let (required, sample) = (
            one["schema"]["required"].as_array().unwrap(),
            one["sample"].as_object().unwrap(),
        );
        assert!(
            required
                .iter()
                .all(|name| sample.contains_key(name.as_str().unwrap())),
            "{one}"
        );
        assert!(!one.to_string().contains("$ref"), "{one}");
    }
    for event in stoa_webhooks::SERVICE.emits {
        let read = (event.reads)(event.sample());
        assert!(read.is_ok(), "{read:?}: {}", event.schema());
    }
}

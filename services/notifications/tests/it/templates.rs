//! Texts that somebody writes in the place of those that came with the program.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::helpers::{App, notify, person, shipped, titles};

const TEMPLATES: &str = "/api/v1/notifications/templates";
const MAIL: &str = "/api/v1/notifications/templates/order.shipped/email/en";

fn editor(app: &TestApp) -> String {
    app.token(app.new_user(), &["templates.read", "templates.write"])
}

async fn write(app: &TestApp, path: &str, body: &Value) -> Answer {
    app.put(path).bearer(&editor(app)).json(body).send().await
}

async fn read(app: &TestApp, path: &str) -> Value {
    app.get(path)
        .bearer(&editor(app))
        .send()
        .await
        .expect(200)
        .value()
}

async fn roll_back(app: &TestApp, path: &str, version: i64) -> Answer {
    let body = json!({ "version": version });
    app.post(&format!("{path}/rollback"))
        .bearer(&editor(app))
        .json(&body)
        .send()
        .await
}

fn mail(subject: &str) -> Value {
    json!({
        "subject": subject, "text": "Order {{ order }}.",
        "html": "{% extends 'layout.html' %}{% block body %}<p>{{ order|upper }}</p>{% endblock %}",
    })
}

#[db_test]
async fn what_is_written_is_used_from_then_on_and_an_earlier_version_again_in_one_call(app: App) {
    let ada = person(&app, "ada");
    let default = read(&app, MAIL).await;
    assert_eq!(
        (&default["version"], &default["subject"]),
        (&json!(0), &json!("Your order {{ order }} was shipped"))
    );
    let one = write(&app, MAIL, &mail("First {{ order }}"))
        .await
        .expect(200)
        .value();
    assert_eq!((&one["version"], &one["newest_version"]), (&json!(1), &json!(1)));
    write(&app, MAIL, &mail("Second {{ order }}")).await.expect(200);
    shipped(&app, ada, "a<b").await;
    let sent = app.mails().await.remove(0);
    assert_eq!(sent.subject, "Second a<b");
    let html = sent.html.unwrap();
    assert!(
        html.contains("<p>A&lt;B</p>") && html.contains("<h1") && html.contains("Unsubscribe"),
        "{html}"
    );
    let back = roll_back(&app, MAIL, 1).await.expect(200).value();
    assert_eq!(
        (&back["version"], &back["newest_version"]),
        (&json!(1), &json!(2))
    );
    shipped(&app, ada, "2").await;
    assert_eq!(app.mails().await[0].subject, "First 2");
    roll_back(&app, MAIL, 0).await.expect(200);
    assert_eq!(read(&app, MAIL).await["version"], 0);
    shipped(&app, ada, "3").await;
    assert_eq!(app.mails().await[0].subject, "Your order 3 was shipped");
    // A further one is a further version.
    assert_eq!(
        write(&app, MAIL, &mail("Third")).await.expect(200).value()["version"],
        3
    );
    let versions = read(&app, &format!("{MAIL}/versions?limit=2")).await;
    let numbers: Vec<_> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["version"].clone())
        .collect();
    assert_eq!(numbers, [3, 2]);
    let cursor = versions["next_cursor"].as_str().unwrap();
    assert_eq!(
        read(&app, &format!("{MAIL}/versions?cursor={cursor}")).await["items"][0]["version"],
        1
    );
    assert_eq!(
        (
            app.audited("template.write").await.len(),
            app.audited("template.roll_back").await.len()
        ),
        (3, 2)
    );
    assert_problem(
        &roll_back(&app, MAIL, 4).await,
        422,
        "invalid_input",
        &["version"],
    );
    assert_problem(
        &roll_back(&app, MAIL, -1).await,
        422,
        "invalid_input",
        &["version"],
    );
}

#[db_test]
async fn a_language_that_did_not_come_with_the_program_can_be_added(app: App) {
    let ada = person(&app, "ada");
    crate::preferences::set_preference(&app, ada, "language", Some(json!("fr-CH"))).await;
    let path = format!("{TEMPLATES}/order.shipped/in_app/fr");
    let text =
        json!({"subject": "Commande {{ order }}", "text": "En route.", "link": "/commandes/{{ order }}"});
    write(&app, &path, &text).await.expect(200);
    shipped(&app, ada, "1").await;
    assert_eq!(titles(&app, ada, "").await, ["Commande 1"]);
    assert_eq!(
        app.mails().await[0].subject,
        "Your order 1 was shipped",
        "of mails there is none in French"
    );
    let all = read(&app, &format!("{TEMPLATES}?type=order.shipped")).await;
    let names: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one["channel"].as_str().unwrap(),
                one["language"].as_str().unwrap(),
                one["version"]
            )
        })
        .collect();
    assert_eq!(names, ["email de 0", "email en 0", "in_app en 0", "in_app fr 1"]);
    assert_problem(
        &roll_back(&app, &path, 0).await,
        422,
        "invalid_input",
        &["version"],
    );
}

#[db_test]
async fn what_is_broken_is_refused_with_the_part_and_the_line(app: App) {
    let with = |part: &str, source: &str| {
        let mut body = mail("x");
        body[part] = json!(source);
        body
    };
    for (body, part, line) in [
        (with("subject", "{{ nothing }}"), "subject", 1),
        (with("text", "a\n{% if %}"), "text", 2),
        (with("html", "<p>\n\n{{ order.number.deep }}"), "html", 3),
        (with("html", "\n{% include '/etc/passwd' %}"), "html", 2),
        (with("text", "{{ 'x' * 100000000 }}"), "text", 1),
        (
            with("text", "{% for x in range(99999) %}x{% endfor %}"),
            "text",
            1,
        ),
        (with("html", "{{ order|safe }}"), "html", 1),
        (with("link", "/orders/{{ no }}"), "link", 1),
    ] {
        let answer = write(&app, MAIL, &body).await;
        assert_problem(&answer, 422, "invalid_input", &[part]);
        let error = &answer.value()["errors"][0];
        assert_eq!(error["code"], "broken_template");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with(&format!("Line {line}: ")),
            "{error}"
        );
    }
    assert_problem(
        &write(&app, MAIL, &with("text", "")).await,
        422,
        "invalid_input",
        &["text"],
    );
    assert_problem(
        &write(&app, MAIL, &with("text", &"x".repeat(32769))).await,
        422,
        "invalid_input",
        &["text"],
    );
    assert_eq!(read(&app, MAIL).await["version"], 0);
    for path in [
        "no.such/email/en",
        "order.shipped/push/en",
        "order.shipped/pigeon/en",
        "order.shipped/email/EN",
        "order.shipped/email/e",
    ] {
        let answer = write(&app, &format!("{TEMPLATES}/{path}"), &mail("x")).await;
        assert_problem(&answer, 404, "not_found", &[]);
    }
    let reader = app.token(app.new_user(), &["templates.read"]);
    let answer = app.put(MAIL).bearer(&reader).json(&mail("x")).send().await;
    assert_problem(&answer, 403, "forbidden", &[]);
}

#[db_test]
async fn a_text_is_tried_with_the_sample_or_other_data_and_nothing_is_kept(app: App) {
    let preview = async |body: Value| {
        let path = format!("{TEMPLATES}/preview");
        app.post(&path).bearer(&editor(&app)).json(&body).send().await
    };
    let with = |data: Value| json!({"type": "order.shipped", "channel": "email", "language": "de", "template": mail("Nr. {{ order }}"), "data": data});
    let made = preview(with(Value::Null)).await.expect(200).value();
    assert_eq!(
        (&made["subject"], &made["text"]),
        (&json!("Nr. A-1"), &json!("Order A-1."))
    );
    assert!(made["html"].as_str().unwrap().contains("<html lang=\"de\">"));
    let made = preview(with(json!({"order": "<i>"}))).await.expect(200).value();
    assert!(made["html"].as_str().unwrap().contains("<p>&lt;I&gt;</p>"));
    assert_problem(
        &preview(with(json!({"other": 1}))).await,
        422,
        "invalid_input",
        &["subject"],
    );
    let mut unknown = with(Value::Null);
    unknown["type"] = json!("no.such");
    assert_problem(&preview(unknown).await, 422, "invalid_input", &["type"]);
    assert_eq!(read(&app, MAIL).await["version"], 0);
}

#[db_test]
async fn a_text_that_lacks_its_data_gives_way_to_the_one_that_came_with_the_program(app: App) {
    let ada = person(&app, "ada");
    let path = format!("{TEMPLATES}/shop.alarm/email/en");
    let text = json!({"subject": "{% if where is defined %}{{ where.room }}{% else %}Fire!{% endif %}", "text": "Run."});
    write(&app, &path, &text).await.expect(200);
    notify(&app, "shop.alarm", ada, json!({})).await;
    assert_eq!(app.mails().await[0].subject, "Fire!");
    // What was not in the sample cannot be made of it.
    notify(&app, "shop.alarm", ada, json!({"where": {}})).await;
    assert_eq!(app.mails().await[0].subject, "Fire");
}

#[db_test]
async fn html_is_written_as_mjml_and_kept_with_what_it_was_made_of(app: App) {
    let ada = person(&app, "ada");
    let mjml = |text: &str| {
        format!(
            "<mjml>\n<mj-body><mj-section><mj-column>\n<mj-text>{text}</mj-text></mj-column></mj-section></mj-body></mjml>"
        )
    };
    let body = |mjml: &str| json!({ "subject": "s", "text": "t", "mjml": mjml });
    let good = mjml("Order <b>{{ order }}</b>");
    let saved = write(&app, MAIL, &body(&good)).await.expect(200).value();
    assert_eq!(saved["mjml"], good);
    assert!(
        saved["html"].as_str().unwrap().contains("<b>{{ order }}</b>"),
        "{saved}"
    );
    shipped(&app, ada, "a<b").await;
    let html = app.mails().await.remove(0).html.unwrap();
    assert!(
        html.contains("<table") && html.contains("Order <b>a&lt;b</b>"),
        "{html}"
    );
    for (mjml, line) in [
        (mjml("<mj-text>"), 3),
        (mjml("{{ nothing }}"), 3),
        (mjml("{{ 'x' * 1000000 }}"), 3),
        ("<p>x</p>".to_owned(), 1),
    ] {
        let answer = write(&app, MAIL, &body(&mjml)).await;
        assert_problem(&answer, 422, "invalid_input", &["mjml"]);
        let text = answer.text();
        assert!(text.contains(&format!("Line {line}: ")), "{mjml}: {text}");
    }
    let both = json!({ "subject": "s", "text": "t", "html": "<p>", "mjml": good });
    assert_problem(&write(&app, MAIL, &both).await, 422, "invalid_input", &["mjml"]);
    assert_eq!(read(&app, MAIL).await["version"], 1);
}

#[db_test]
async fn a_language_that_was_added_can_be_withdrawn(app: App) {
    let ada = person(&app, "ada");
    crate::preferences::set_preference(&app, ada, "language", Some(json!("fr"))).await;
    let path = format!("{TEMPLATES}/order.shipped/in_app/fr");
    let text = json!({"subject": "Commande {{ order }}", "text": "En route."});
    let withdraw = async |path: &str| app.delete(path).bearer(&editor(&app)).send().await;
    assert_problem(&withdraw(&path).await, 404, "not_found", &[]);
    write(&app, &path, &text).await.expect(200);
    write(&app, &path, &text).await.expect(200);
    withdraw(&path).await.expect(204);
    assert_problem(&withdraw(&path).await, 404, "not_found", &[]);
    shipped(&app, ada, "1").await;
    assert_eq!(titles(&app, ada, "").await, ["Order 1"]);
    let all = read(&app, &format!("{TEMPLATES}?type=order.shipped")).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 3, "{all}");
    let gone = app.get(&path).bearer(&editor(&app)).send().await;
    assert_problem(&gone, 404, "not_found", &[]);
    assert_eq!(app.audited("template.withdraw").await.len(), 1);
    // Its versions are kept: one of them can be used again, and a further one is a further version.
    let versions = read(&app, &format!("{path}/versions")).await;
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    roll_back(&app, &path, 1).await.expect(200);
    shipped(&app, ada, "2").await;
    assert_eq!(titles(&app, ada, "").await[0], "Commande 2");
    withdraw(&path).await.expect(204);
    let written = write(&app, &path, &text).await.expect(200).value();
    assert_eq!(written["version"], 3);
    // The languages that a type has by itself stay: another text of them is taken back by a rollback to 0.
    write(&app, MAIL, &mail("x")).await.expect(200);
    for language in ["en", "de"] {
        let path = format!("{TEMPLATES}/order.shipped/email/{language}");
        assert_problem(&withdraw(&path).await, 409, "template_needed", &[]);
    }
    let reader = app.token(app.new_user(), &["templates.read"]);
    let answer = app.delete(&path).bearer(&reader).send().await;
    assert_problem(&answer, 403, "forbidden", &[]);
    assert_problem(
        &withdraw(&format!("{TEMPLATES}/no.such/email/fr")).await,
        404,
        "not_found",
        &[],
    );
}

//! Text that can be written in several ways: addresses, passwords, names, codes.

use serde_json::{Value, json};
use stoa_db::db_test;
use stoa_testkit::{Answer, TestApp, assert_problem};

use crate::{
    App, PASSWORD, SignedIn, login, register, text,
    totp::{current, enrolled},
    value,
};

async fn registered(app: &TestApp, body: &Value) -> Answer {
    app.post("/api/v1/auth/register").json(body).send().await
}

#[db_test]
async fn an_address_that_no_mail_can_be_sent_to_is_refused(app: App) {
    for address in [
        "a..b@example.com",
        ".a@x.com",
        "a.@x.com",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "\"a b\"@x.com",
        "a@x..com",
        "a@xn--.org",
        "a\u{200b}b@x.com",
        "a@x_y.com",
    ] {
        let body = json!({ "email": address, "password": PASSWORD });
        let answer = registered(&app, &body).await;
        assert_problem(&answer, 422, "invalid_input", &["email"]);
    }
}

#[db_test]
async fn an_international_address_is_one_however_it_is_written_and_gets_its_mail(app: App) {
    let body = json!({ "email": "Jose\u{301}@Bu\u{308}cher.example", "password": PASSWORD });
    registered(&app, &body).await.expect(201);
    for same in ["josé@bücher.example", "JOSÉ@xn--bcher-kva.EXAMPLE"] {
        login(&app, same, PASSWORD).await.expect(200);
        let body = json!({ "email": same, "password": PASSWORD });
        assert_problem(&registered(&app, &body).await, 409, "email_taken", &["email"]);
    }
    app.settle().await;
    let dead: i64 = value(&app, "SELECT count(*) FROM jobs WHERE state = 'dead'").await;
    assert_eq!((app.mails().await.len(), dead), (1, 0));
}

#[db_test]
async fn an_account_of_an_address_that_is_refused_now_goes_on(app: App) {
    register(&app, "ada@example.org").await;
    let mut tx = app.db().begin().await.unwrap();
    let before = "UPDATE accounts SET email = 'A..da@example.org', email_key = 'a..da@example.org'";
    tx.execute(before, &[]).await.unwrap();
    tx.commit().await.unwrap();
    login(&app, "A..DA@example.org", PASSWORD).await.expect(200);
}

#[db_test]
async fn a_password_is_one_however_its_characters_are_written(app: App) {
    let (composed, decomposed) = ("p\u{e4}ssw\u{f6}rter", "pa\u{308}sswo\u{308}rter");
    let body = json!({ "email": "ada@example.org", "password": decomposed });
    registered(&app, &body).await.expect(201);
    for typed in [composed, decomposed] {
        login(&app, "ada@example.org", typed).await.expect(200);
    }
    assert_problem(
        &login(&app, "ada@example.org", "passworter").await,
        401,
        "invalid_credentials",
        &[],
    );
}

#[db_test]
async fn a_password_of_nothing_that_can_be_seen_is_refused(app: App) {
    for password in [
        "        ",
        "\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}\u{200b}",
    ] {
        let body = json!({ "email": "ada@example.org", "password": password });
        assert_problem(
            &registered(&app, &body).await,
            422,
            "invalid_input",
            &["password"],
        );
    }
}

#[db_test]
async fn a_name_of_nothing_that_can_be_seen_is_refused(app: App) {
    for name in ["\u{200b}", "\u{3164}", "a\u{202e}b", "a\u{0}b"] {
        let body = json!({ "email": "ada@example.org", "password": PASSWORD, "first_name": name });
        let answer = registered(&app, &body).await;
        assert_problem(&answer, 422, "invalid_input", &["first_name"]);
    }
    let ada = register(&app, "ada@example.org").await;
    let key = async |name: &str| {
        let body = json!({ "name": name, "scopes": ["files.read"], "password": PASSWORD });
        let call = app.post("/api/v1/auth/api-keys").bearer(&ada.access);
        call.json(&body).send().await
    };
    assert_problem(&key("\u{200b}").await, 422, "invalid_input", &["name"]);
    let made = key(" Jose\u{301}'s script\u{200b}").await.expect(201);
    assert_eq!(made.value()["name"], "Jos\u{e9}'s script");
}

#[db_test]
async fn a_code_may_be_typed_in_other_digits(app: App) {
    let ada: SignedIn = register(&app, "ada@example.org").await;
    let (secret, _) = enrolled(&app, &ada).await;
    let wide: String = current(&app, &secret)
        .chars()
        .map(|digit| char::from_u32(u32::from(digit) + 0xfee0).unwrap())
        .collect();
    let body = json!({ "email": "ada@example.org", "password": PASSWORD, "totp": format!("\u{200b}{wide}") });
    let answer = app
        .post("/api/v1/auth/login")
        .json(&body)
        .send()
        .await
        .expect(200);
    assert_eq!(text(&answer.value()["user"]["email"]), "ada@example.org");
}

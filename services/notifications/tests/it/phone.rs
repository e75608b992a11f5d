//! Phone numbers: set, shown to be one's own by a code, kept so that nobody reads them.

use std::time::Duration;

use serde_json::{Value, json};
use stoa_auth_api::{
    events::{CredentialsRevoked, UserErased},
    testing::FakeAuth,
};
use stoa_db::db_test;
use stoa_kernel::UserId;
use stoa_testkit::{Answer, TestApp, assert_problem, eventually};

use crate::helpers::{App, builder, code_to, deliveries, notify, one, person, phone, rows};

const PHONE: &str = "/api/v1/notifications/phone";
const NUMBER: &str = "+491701234567";

async fn set(app: &TestApp, user: UserId, number: &str) -> Answer {
    let call = app.put(PHONE).bearer(&app.token(user, &[]));
    call.json(&json!({ "number": number })).send().await
}

async fn verify(app: &TestApp, user: UserId, code: &str) -> Answer {
    let call = app.post(&format!("{PHONE}/verify")).bearer(&app.token(user, &[]));
    call.json(&json!({ "code": code })).send().await
}

async fn read(app: &TestApp, user: UserId) -> Value {
    let answer = app.get(PHONE).bearer(&app.token(user, &[])).send().await;
    answer.expect(200).value()
}

/// A code that is not this one.
fn other(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[db_test]
async fn a_number_is_ones_own_once_its_code_is_given(app: App) {
    let ada = person(&app, "ada");
    let nothing = json!({ "number": null, "verified_at": null, "pending": null });
    assert_eq!(read(&app, ada).await, nothing);
    let pending = set(&app, ada, NUMBER).await.expect(202).value();
    assert_eq!(
        (&pending["number"], &pending["pending"]["number"]),
        (&json!(null), &json!(NUMBER))
    );
    app.settle().await;
    assert_eq!(read(&app, ada).await["pending"]["state"], "sent");
    notify(&app, "shop.parcel", ada, json!({"at": "9:00"})).await;
    assert_eq!(
        app.texts().await.len(),
        1,
        "only the code goes to a number that is not verified"
    );
    let code = code_to(&app, NUMBER).await;
    assert_problem(
        &verify(&app, ada, other(&code)).await,
        422,
        "invalid_input",
        &["code"],
    );
    let mine = verify(&app, ada, &code).await.expect(200).value();
    assert_eq!(
        (&mine["number"], &mine["pending"]),
        (&json!(NUMBER), &json!(null))
    );
    assert_problem(&verify(&app, ada, &code).await, 409, "phone_code_expired", &[]);
    notify(&app, "shop.parcel", ada, json!({"at": "10:00"})).await;
    assert_eq!(app.texts().await.len(), 2);
    // The same again sends nothing.
    set(&app, ada, NUMBER).await.expect(200);
    app.settle().await;
    assert_eq!(app.texts().await.len(), 2);
    // Another one counts once it is verified.
    set(&app, ada, "+491709999999").await.expect(202);
    assert_eq!(read(&app, ada).await["number"], NUMBER);
    let delete = app.delete(PHONE).bearer(&app.token(ada, &[]));
    delete.send().await.expect(204);
    app.delete(PHONE)
        .bearer(&app.token(ada, &[]))
        .send()
        .await
        .expect(204);
    assert_eq!(read(&app, ada).await, nothing);
    for (action, count) in [("phone.set", 2), ("phone.verify", 1), ("phone.delete", 1)] {
        let entries = app.audited(action).await;
        assert_eq!(entries.len(), count, "{action}");
        assert!(!format!("{entries:?}").contains("1701234567"));
    }
}

#[db_test]
async fn a_code_is_good_for_few_guesses_and_ten_minutes(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    set(&app, ada, NUMBER).await.expect(202);
    app.settle().await;
    let code = code_to(&app, NUMBER).await;
    assert_problem(&verify(&app, bob, &code).await, 409, "phone_code_expired", &[]);
    for _ in 0..5 {
        assert_problem(
            &verify(&app, ada, other(&code)).await,
            422,
            "invalid_input",
            &["code"],
        );
    }
    assert_problem(&verify(&app, ada, &code).await, 409, "phone_code_expired", &[]);
    set(&app, ada, NUMBER).await.expect(202);
    app.settle().await;
    let code = code_to(&app, NUMBER).await;
    app.clock().advance(Duration::from_secs(601));
    assert_problem(&verify(&app, ada, &code).await, 409, "phone_code_expired", &[]);
    assert_eq!(read(&app, ada).await["pending"], json!(null));
    app.advance(Duration::from_secs(2 * 3600)).await;
    eventually("it is deleted", async || rows(&app, "phone_codes").await == 0).await;
}

#[db_test]
async fn guesses_at_once_are_counted_one_by_one(app: App) {
    let ada = person(&app, "ada");
    set(&app, ada, NUMBER).await.expect(202);
    app.settle().await;
    let code = code_to(&app, NUMBER).await;
    let guesses = (0..20).map(|_| verify(&app, ada, other(&code)));
    let answers = futures::future::join_all(guesses).await;
    let wrong = answers.iter().filter(|answer| answer.status() == 422).count();
    assert_eq!(wrong, 5);
}

stoa_testkit::app!(
    Sparing,
    builder(|config| {
        config.phone_codes.per_person = "2/d".parse().unwrap();
        config.phone_codes.per_number = "3/d".parse().unwrap();
        config.phone_codes.per_network = "5/d".parse().unwrap();
        config.phone_codes.in_all = "8/d".parse().unwrap();
    })
);

#[stoa_db::db_test]
async fn codes_are_limited_by_person_number_network_and_in_all(app: Sparing) {
    let users: Vec<_> = (0..9).map(|at| person(&app, &format!("p{at}"))).collect();
    let ask = async |user: usize, number: u32, network: u8| {
        let call = app.put(PHONE).bearer(&app.token(users[user], &[]));
        let body = json!({ "number": format!("+4917000000{number}") });
        let from = format!("203.0.{network}.7");
        call.json(&body).from_address(&from).send().await.status()
    };
    assert_eq!(
        [ask(0, 10, 1).await, ask(0, 10, 1).await, ask(0, 11, 2).await],
        [202, 202, 429]
    );
    // What was refused has used up nothing of others.
    assert_eq!([ask(1, 10, 1).await, ask(1, 10, 3).await], [202, 429]);
    assert_eq!(
        [ask(2, 12, 1).await, ask(2, 13, 1).await, ask(3, 14, 1).await],
        [202, 202, 429]
    );
    assert_eq!(
        [ask(3, 14, 4).await, ask(4, 15, 4).await, ask(5, 16, 5).await],
        [202, 202, 202]
    );
    let call = app.put(PHONE).bearer(&app.token(users[6], &[]));
    let answer = call
        .json(&json!({"number": "+491700000099"}))
        .from_address("203.0.6.7")
        .send()
        .await;
    assert_problem(&answer, 429, "rate_limited", &[]);
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    app.settle().await;
    assert_eq!(
        rows(&app, "phone_codes").await,
        6,
        "a later code takes the place of the one before"
    );
}

#[db_test]
async fn only_people_with_a_session_and_numbers_that_are_some_pass(app: App) {
    let ada = person(&app, "ada");
    for number in [
        "",
        "0170 1234567",
        "+49 170 1234567",
        "+0491701234567",
        "+491701234567890123",
    ] {
        assert_problem(&set(&app, ada, number).await, 422, "invalid_input", &["number"]);
    }
    for code in ["", "12345", "abcdef", "1234567"] {
        assert_problem(&verify(&app, ada, code).await, 422, "invalid_input", &["code"]);
    }
    let body = json!({ "number": NUMBER });
    let key = app.api_key(ada, &["inbox.read", "notification_preferences.write"]);
    assert_problem(
        &app.put(PHONE).api_key(&key).json(&body).send().await,
        403,
        "forbidden",
        &[],
    );
    assert_problem(&app.get(PHONE).api_key(&key).send().await, 403, "forbidden", &[]);
    assert_problem(
        &app.put(PHONE).json(&body).send().await,
        401,
        "unauthenticated",
        &[],
    );
    assert_eq!(rows(&app, "phone_codes").await, 0);
}

#[db_test]
async fn a_number_does_not_stand_in_the_database_and_is_erased(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    phone(&app, ada, NUMBER).await;
    phone(&app, bob, NUMBER).await;
    notify(&app, "shop.parcel", ada, json!({"at": "9:00"})).await;
    set(&app, ada, "+491709999999").await.expect(202);
    app.settle().await;
    for table in [
        "phones",
        "phone_codes",
        "sends",
        "steps",
        "jobs",
        "outbox",
        "audit",
        "people",
    ] {
        for digits in ["1701234567", "1709999999"] {
            assert!(!crate::erasure::speaks(&app, table, digits).await, "{table}");
        }
    }
    // One person's sealed number is of no use in another's row.
    let sealed: Vec<Vec<u8>> = app
        .db()
        .fetch_all("SELECT sealed_number FROM phones", &[])
        .await
        .unwrap();
    assert_ne!(sealed[0], sealed[1]);
    let (first, second): (i64, i64) = (
        one(app.db(), "SELECT COUNT(DISTINCT number_hash) FROM phones").await,
        rows(&app, "phones").await,
    );
    assert_eq!((first, second), (1, 2));
    assert_eq!(app.texts().await.len(), 4);
    for user in [ada, bob] {
        app.stand_in::<FakeAuth>().erase(user);
        app.emit(&UserErased { user_id: user }).await;
    }
    app.settle().await;
    assert_eq!(
        (rows(&app, "phones").await, rows(&app, "phone_codes").await),
        (0, 0)
    );
    assert!(app.texts().await.is_empty(), "the folder has none left");
}

#[db_test]
async fn a_number_that_is_new_does_not_outlive_a_reset_and_an_old_one_does(app: App) {
    let (ada, bob) = (person(&app, "ada"), person(&app, "bob"));
    phone(&app, bob, "+491709999999").await;
    app.clock().advance(Duration::from_secs(31 * 24 * 3600));
    phone(&app, ada, NUMBER).await;
    set(&app, ada, "+491708888888").await.expect(202);
    app.settle().await;
    let code = code_to(&app, "+491708888888").await;
    for user in [ada, bob] {
        app.emit(&CredentialsRevoked { user_id: user }).await;
    }
    app.settle().await;
    let nothing = json!({ "number": null, "verified_at": null, "pending": null });
    assert_eq!(read(&app, ada).await, nothing);
    // A token of an ended session is believed in for a moment more, which is over by now on a busy machine.
    let minute = Duration::from_secs(60);
    app.clock().set_back(minute);
    assert_problem(&verify(&app, ada, &code).await, 401, "token_revoked", &[]);
    app.clock().advance(minute + Duration::from_secs(3));
    assert_problem(&verify(&app, ada, &code).await, 409, "phone_code_expired", &[]);
    let before = app.texts().await.len();
    notify(&app, "shop.parcel", ada, json!({"at": "9:00"})).await;
    assert_eq!(app.texts().await.len(), before);
    assert_eq!(read(&app, bob).await["number"], "+491709999999");
    let entries = app.audited("phone.delete").await;
    assert_eq!((entries.len(), entries[0].actor), (1, None));
    phone(&app, ada, NUMBER).await;
    assert_eq!(read(&app, ada).await["number"], NUMBER);
}

#[db_test]
async fn a_change_of_the_number_is_said_by_mail_whatever_was_chosen(app: App) {
    let ada = person(&app, "ada");
    phone(&app, ada, NUMBER).await;
    app.settle().await;
    let mail = app.mails().await.remove(0);
    assert_eq!(mail.subject, "Your phone number for Stoa was changed");
    assert!(
        mail.text.contains("+49***67") && !mail.text.contains("1701234567"),
        "{}",
        mail.text
    );
    let delete = app.delete(PHONE).bearer(&app.token(ada, &[]));
    delete.send().await.expect(204);
    app.settle().await;
    let mails = app.mails().await;
    assert_eq!(
        (mails.len(), &*mails[0].subject),
        (2, "Your phone number for Stoa was removed")
    );
    phone(&app, ada, NUMBER).await;
    app.emit(&CredentialsRevoked { user_id: ada }).await;
    app.settle().await;
    let mails = app.mails().await;
    assert_eq!(
        (mails.len(), &*mails[0].subject),
        (4, "Your phone number for Stoa was removed")
    );
    let steps = deliveries(&app, ada).await;
    assert_eq!(steps[0]["type"], "account.phone_removed");
}

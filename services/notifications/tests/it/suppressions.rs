//! Mails by a server that refuses some: what is tried again, and to whom nothing is sent any more.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use stoa_db::{Engine, db_test, testing::DbTest};
use stoa_mail::{MailConfig, Mailer};
use stoa_service::Env;
use stoa_testkit::{TestApp, assert_problem, eventually, settings};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::helpers::{deliveries, notify, person, shipped, stands, steps, with_env};

/// What a mail server has taken: recipients and headers of each mail.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<(String, String)>>>);

impl Taken {
    fn to(&self, address: &str) -> Vec<String> {
        let taken = self.0.lock().unwrap();
        let theirs = taken.iter().filter(|(to, _)| to == address);
        theirs.map(|(_, mail)| mail.clone()).collect()
    }
}

/// A mail server that knows nobody whose name begins with `nobody`, and takes each first mail to `later` later.
async fn mail_server() -> (u16, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Taken::default());
    let theirs = taken.clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(session(stream, theirs.clone(), Arc::clone(&seen)));
        }
    });
    (port, taken)
}

async fn session(stream: TcpStream, taken: Taken, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test ESMTP\r\n").await?;
    let mut to = String::new();
    while let Some(line) = lines.next_line().await? {
        let upper = line.to_ascii_uppercase();
        let answer = if upper.starts_with("EHLO") {
            "250-test\r\n250 8BITMIME".to_owned()
        } else if upper.starts_with("RCPT") {
            to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let first = !seen.lock().unwrap().contains(&to);
            seen.lock().unwrap().push(to.clone());
            match to.as_str() {
                one if one.starts_with("nobody") => format!("550 5.1.1 <{to}>: no such user"),
                one if one.starts_with("later") && first => "451 4.3.0 try again".to_owned(),
                _ => "250 fine".to_owned(),
            }
        } else if upper == "DATA" {
            write.write_all(b"354 go on\r\n").await?;
            let mut mail = String::new();
            while let Some(line) = lines.next_line().await? {
                if line == "." {
                    break;
                }
                mail += &line;
                mail.push('\n');
            }
            taken.0.lock().unwrap().push((to.clone(), mail));
            "250 taken".to_owned()
        } else if upper == "QUIT" {
            write.write_all(b"221 bye\r\n").await?;
            return Ok(());
        } else {
            "250 fine".to_owned()
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// notifications, whose mails go by such a server.
struct Mailing(TestApp, Taken);

impl std::ops::Deref for Mailing {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.0
    }
}

impl DbTest for Mailing {
    type Guard = TestApp;

    async fn setup(engine: Engine) -> (Self, TestApp) {
        let (port, taken) = mail_server().await;
        let app = with_env(move |env| {
            let config = MailConfig {
                url: format!("smtp://127.0.0.1:{port}?tls=none"),
                ..mail_settings()
            };
            let folder = env.data_dir.join("mail");
            let mailer = Mailer::new(&config, folder, &env.cache, &env.outbound, env.clock.clone());
            let mailer = mailer.unwrap();
            Env { mailer, ..env }
        });
        let app = app.start(engine).await;
        (Self(app.clone(), taken), app)
    }

    async fn teardown(app: TestApp) {
        app.stop().await;
    }
}

fn mail_settings() -> MailConfig {
    settings("mail")
}

#[db_test]
async fn mails_have_one_id_and_the_headers_to_unsubscribe(app: Mailing) {
    let ada = person(&app, "ada");
    shipped(&app, ada, "1").await;
    let mails = app.1.to("ada@example.com");
    assert_eq!(mails.len(), 1);
    let delivery = &deliveries(&app, ada).await[0];
    let id = format!("Message-ID: <notification-{}@", delivery["id"].as_str().unwrap());
    assert!(mails[0].contains(&id), "{}", mails[0]);
    let unfolded = mails[0].replace("\n ", " ");
    assert!(
        unfolded.contains("List-Unsubscribe: <http://127.0.0.1:"),
        "{unfolded}"
    );
    assert!(
        unfolded.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
        "{unfolded}"
    );
}

#[db_test]
async fn what_a_server_takes_later_is_sent_once(app: Mailing) {
    let ada = person(&app, "later");
    shipped_not_settled(&app, ada).await;
    let failed = async || {
        deliveries(&app, ada)
            .await
            .first()
            .is_some_and(|one| steps(one, "email").len() > 1)
    };
    eventually("the first attempt has failed", failed).await;
    app.clock().advance(Duration::from_secs(60));
    eventually("it is taken", async || app.1.to("later@example.com").len() == 1).await;
    app.settle().await;
    let codes = steps(&deliveries(&app, ada).await[0], "email");
    assert_eq!(codes, ["queued", "attempt_failed", "sent"]);
    assert_eq!(app.1.to("later@example.com").len(), 1);
}

async fn shipped_not_settled(app: &TestApp, user: stoa_kernel::UserId) {
    let event =
        stoa_notifications_api::NotificationRequested::to("order.shipped", user, json!({"order": "1"}));
    app.emit(&event).await;
}

#[db_test]
async fn an_address_that_bounces_gets_nothing_more_but_what_is_critical(app: Mailing) {
    let eve = person(&app, "nobody");
    shipped(&app, eve, "1").await;
    let first = &deliveries(&app, eve).await[0];
    assert_eq!(stands(first, "email"), ("failed".into(), "refused".into()));
    let words = first["steps"].to_string();
    assert!(
        words.contains("The recipient was refused") && !words.contains("nobody@"),
        "{words}"
    );
    shipped(&app, eve, "2").await;
    let second = &deliveries(&app, eve).await[0];
    assert_eq!(steps(second, "email"), ["queued", "suppressed"]);
    notify(&app, "shop.alarm", eve, json!({})).await;
    assert_eq!(
        steps(&deliveries(&app, eve).await[0], "email"),
        ["queued", "refused"],
        "it is tried"
    );
    // Another person with the same address, however it is written.
    let again = app.new_user();
    app.stand_in::<stoa_auth_api::testing::FakeAuth>()
        .contact(again, "NoBody@Example.com", true);
    shipped(&app, again, "3").await;
    assert_eq!(
        steps(&deliveries(&app, again).await[0], "email"),
        ["queued", "suppressed"]
    );

    let token = app.token(app.new_user(), &["suppressions.read", "suppressions.write"]);
    let path = "/api/v1/notifications/suppressions";
    let page = app.get(path).bearer(&token).send().await.expect(200).value();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&page["items"][0]["address"], &page["items"][0]["reason"]),
        (&json!("n***@example.com"), &json!("bounced"))
    );
    let release = async |email: &str| {
        let path = format!("{path}/release");
        app.post(&path)
            .bearer(&token)
            .json(&json!({"email": email}))
            .send()
            .await
    };
    release("NOBODY@example.com").await.expect(204);
    assert_problem(&release("nobody@example.com").await, 404, "not_found", &[]);
    assert_problem(&release("nobody").await, 422, "invalid_input", &["email"]);
    shipped(&app, eve, "4").await;
    assert_eq!(
        steps(&deliveries(&app, eve).await[0], "email"),
        ["queued", "refused"]
    );
    let answer = app.get(path).bearer(&app.token(eve, &[])).send().await;
    assert_problem(&answer, 403, "forbidden", &[]);
}

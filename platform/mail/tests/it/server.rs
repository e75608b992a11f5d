//! Through a real mail server, which wants STARTTLS and refuses now and then.

use std::{thread, time::Duration};

use stoa_engines::{SmtpAnswers, SmtpServer};
use stoa_kernel::Period;
use stoa_mail::{Cause, Header, Mail, MailConfig, Mailer, Receipt, SendError};

use crate::{config, mail, mailer_of};

const FINE: &str = "250 2.1.5 OK";
const TAKEN: &str = "250 2.0.0 OK: queued as 4F2A";

fn settings(server: &SmtpServer) -> MailConfig {
    MailConfig {
        ca: server.ca(),
        ..config(&server.url())
    }
}

async fn start(recipients: &'static [&'static str], contents: &'static [&'static str]) -> SmtpServer {
    let answers = SmtpAnswers { recipients, contents };
    tokio::task::spawn_blocking(move || SmtpServer::start(answers))
        .await
        .unwrap()
}

/// As a job sends it: again until it is sent, for as long as that is worth trying.
async fn sent(mailer: &Mailer, mail: &Mail) -> (Receipt, usize) {
    for attempt in 1..=20 {
        match mailer.send(mail).await {
            Ok(receipt) => return (receipt, attempt),
            Err(SendError::Transient { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    panic!("never sent")
}

#[tokio::test]
async fn a_mail_goes_by_starttls_with_its_headers() {
    let server = start(&[FINE], &[TAKEN]).await;
    let mailer = mailer_of(&settings(&server));
    let mut news = mail("one");
    let address = format!("<https://example.com/unsubscribe?token={}>", "a".repeat(300));
    news.headers.insert(Header::ListUnsubscribe, address.clone());
    news.headers.insert(
        Header::ListUnsubscribePost,
        "List-Unsubscribe=One-Click".to_owned(),
    );
    let receipt = mailer.send(&news).await.unwrap();
    assert_eq!(
        (receipt.provider.as_str(), receipt.id.as_str()),
        ("127.0.0.1", "4F2A")
    );
    let taken = server.mails();
    assert_eq!(taken.len(), 1);
    for line in [
        format!("List-Unsubscribe: {address}"),
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click".to_owned(),
        "Message-ID: <one@example.com>".to_owned(),
    ] {
        assert!(
            taken[0].contains(&format!("{line}\r\n")),
            "{line} is not in\n{}",
            taken[0]
        );
    }
}

#[tokio::test]
async fn a_server_whose_certificate_is_not_known_gets_nothing() {
    let server = start(&[FINE], &[TAKEN]).await;
    let sent = mailer_of(&config(&server.url())).send(&mail("one")).await;
    assert!(matches!(sent, Err(SendError::Transient { .. })), "{sent:?}");
    let wrong = server.url().replace("secret", "wrong");
    let with_wrong_password = MailConfig {
        url: wrong,
        ..settings(&server)
    };
    let sent = mailer_of(&with_wrong_password).send(&mail("one")).await;
    assert!(
        matches!(
            sent,
            Err(SendError::Transient {
                cause: Cause::Provider,
                ..
            })
        ),
        "{sent:?}"
    );
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn every_mail_arrives_once_although_the_server_refuses_now_and_then() {
    let refusing: &[&str] = &[
        FINE,
        "451 4.3.0 local error, try again later",
        "421 4.3.2 closing for a moment",
        FINE,
        "452 4.2.2 mailbox full for a moment",
        FINE,
    ];
    let server = start(refusing, &[TAKEN, TAKEN, "451 4.3.0 cannot be stored just now"]).await;
    let mailer = mailer_of(&settings(&server));
    let mut attempts = 0;
    for n in 0..12 {
        attempts += sent(&mailer, &mail(&format!("m{n}"))).await.1;
    }
    assert!(attempts > 20, "it refused too seldom: {attempts}");
    let taken = server.mails();
    assert_eq!(taken.len(), 12);
    for n in 0..12 {
        let id = format!("Message-ID: <m{n}@example.com>");
        assert_eq!(taken.iter().filter(|mail| mail.contains(&id)).count(), 1, "{id}");
    }
}

#[tokio::test]
async fn what_one_server_refuses_for_now_another_takes() {
    let (busy, working) = tokio::join!(
        start(&["421 4.3.2 too many connections"], &[TAKEN]),
        start(&[FINE], &[TAKEN])
    );
    // Both servers have an authority of their own, and there is one file for both.
    let authorities = tempfile::NamedTempFile::new().unwrap();
    let both = [&busy, &working].map(|server| std::fs::read_to_string(server.ca()).unwrap());
    std::fs::write(authorities.path(), both.concat()).unwrap();
    let mut settings = settings(&busy);
    settings.ca = authorities.path().to_owned();
    settings.fallback_urls = vec![working.url()];
    let mailer = mailer_of(&settings);
    for n in 0..8 {
        assert_eq!(
            mailer.send(&mail(&format!("m{n}"))).await.unwrap().provider,
            "127.0.0.1#2"
        );
    }
    assert_eq!((busy.mails().len(), working.mails().len()), (0, 8));
}

#[tokio::test]
async fn a_mailbox_that_is_not_there_is_refused_and_the_server_goes_on() {
    let server = start(&[FINE], &[TAKEN]).await;
    let mailer = mailer_of(&settings(&server));
    let mut nobody = mail("one");
    nobody.to = "nobody@example.com".to_owned();
    for _ in 0..10 {
        let Err(SendError::Refused(why)) = mailer.send(&nobody).await else {
            panic!("not refused")
        };
        assert!(why.contains("5.1.1") && !why.contains("nobody@"), "{why}");
    }
    mailer.send(&mail("two")).await.unwrap();
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_tried_again_later() {
    let server = start(&[FINE], &["lost", TAKEN]).await;
    let mut settings = settings(&server);
    settings.timeout = Period(Duration::from_secs(5));
    let mailer = mailer_of(&settings);
    let outcome = mailer.send(&mail("one")).await;
    assert!(
        matches!(
            outcome,
            Err(SendError::Transient {
                cause: Cause::Lost,
                ..
            })
        ),
        "{outcome:?}"
    );
    sent(&mailer, &mail("one")).await;
    // The server has it twice, as it must, by one Message-ID.
    let taken = server.mails();
    assert_eq!(taken.len(), 2);
    assert!(
        taken
            .iter()
            .all(|mail| mail.contains("Message-ID: <one@example.com>"))
    );
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let mut server = start(&[FINE], &[TAKEN]).await;
    let mailer = mailer_of(&settings(&server));
    mailer.send(&mail("one")).await.unwrap();
    server.stop();
    let outcome = mailer.send(&mail("two")).await;
    assert!(matches!(outcome, Err(SendError::Transient { .. })), "{outcome:?}");
    thread::scope(|scope| scope.spawn(|| server.start_again()).join().unwrap());
    sent(&mailer, &mail("two")).await;
    assert_eq!(server.mails().len(), 2);
}

use std::time::Duration;

use stoa_kernel::Period;
use stoa_mail::{Address, MailError, Mailer};

use crate::{config, mail, peer};

/// A mailer over a server that says this to the recipient, and what arrives there.
async fn mailer(to_recipient: &'static str) -> (Mailer, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (address, received) = peer::start(to_recipient).await;
    let url = format!("smtp://{address}?tls=none");
    (Mailer::new(&config(&url), "unused".into()).unwrap(), received)
}

#[tokio::test]
async fn a_mail_arrives_whole() {
    let (mailer, mut received) = mailer("250 fine").await;
    assert!(!mailer.is_folder());
    for id in ["one", "two"] {
        mailer.send(&mail(id)).await.unwrap();
        let arrived = received.recv().await.unwrap();
        assert!(arrived.starts_with("RCPT TO:<ada@example.com>"), "{arrived}");
        for part in [
            format!("Message-ID: <{id}@example.com>"),
            format!("Subject: Welcome {id}"),
            "multipart/alternative".to_owned(),
            "\n.\n".to_owned(),
            "The end".to_owned(),
        ] {
            assert!(arrived.contains(&part), "{part:?} is not in\n{arrived}");
        }
    }
    assert!(mailer.mailbox().await.unwrap().is_empty());
    assert!(mailer.dev_mailbox().unwrap().is_none());
}

#[tokio::test]
async fn a_refused_recipient_is_for_good_and_the_address_is_not_repeated() {
    let (mailer, _received) = mailer("550 5.1.1 <ada@example.com> no such mailbox").await;
    let Err(MailError::Refused(why)) = mailer.send(&mail("one")).await else {
        panic!("not refused for good")
    };
    assert!(why.contains("no such mailbox") && !why.contains("ada"), "{why}");
}

#[tokio::test]
async fn a_relay_that_does_not_take_our_mail_is_no_refused_recipient() {
    let (mailer, _received) = mailer("554 5.7.1 relay access denied").await;
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(MailError::Permanent(_))
    ));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_at_any_step() {
    for step in ["220", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        let (address, _received) = peer::start_silent_at(step).await;
        let mut config = config(&format!("smtp://{address}?tls=none"));
        config.timeout = Period(Duration::from_millis(100));
        let mailer = Mailer::new(&config, "unused".into()).unwrap();
        let letter = mail("one");
        let sent = tokio::time::timeout(Duration::from_secs(20), mailer.send(&letter)).await;
        let Ok(Err(MailError::Transient(why))) = sent else {
            panic!("{step}: {sent:?}")
        };
        assert!(why.contains("did not answer"), "{step}: {why}");
    }
}

#[tokio::test]
async fn a_busy_server_is_asked_again_later() {
    let (mailer, _received) = mailer("451 4.3.0 try again later").await;
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(MailError::Transient(_))
    ));
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_a_matter_of_settings_not_of_the_mail() {
    let (mailer, _received) = mailer("530 5.7.0 authentication required").await;
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(MailError::Transient(_))
    ));
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again_later() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    drop(listener);
    let mailer = Mailer::new(&config(&url), "unused".into()).unwrap();
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(MailError::Transient(_))
    ));
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_unless_told_to() {
    let (address, mut received) = peer::start("250 fine").await; // offers no STARTTLS
    let mailer = Mailer::new(&config(&format!("smtp://{address}")), "unused".into()).unwrap();
    assert!(mailer.send(&mail("one")).await.is_err());
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn addresses_beyond_ascii_are_sent_to_only_where_the_server_takes_them() {
    let ascii = Address::parse("ada@b\u{fc}cher.example").unwrap();
    let beyond = Address::parse("jos\u{e9}@b\u{fc}cher.example").unwrap();
    let mut to = mail("one");
    to.to = beyond.to_string();

    let (taking, mut received) = mailer("250 fine").await;
    assert!(taking.takes(&ascii).await && taking.takes(&beyond).await);
    taking.send(&to).await.unwrap();
    let arrived = received.recv().await.unwrap();
    assert!(
        arrived.starts_with("RCPT TO:<jos\u{e9}@xn--bcher-kva.example>"),
        "{arrived}"
    );

    let (address, mut received) = peer::start("250 fine").await;
    let url = format!("smtp://{address}/ascii.example?tls=none");
    let strict = Mailer::new(&config(&url), "unused".into()).unwrap();
    assert!(strict.takes(&ascii).await && !strict.takes(&beyond).await);
    assert!(matches!(strict.send(&to).await, Err(MailError::Refused(_))));
    to.to = ascii.to_string();
    strict.send(&to).await.unwrap();
    let arrived = received.recv().await.unwrap();
    assert!(
        arrived.starts_with("RCPT TO:<ada@xn--bcher-kva.example>"),
        "{arrived}"
    );
}

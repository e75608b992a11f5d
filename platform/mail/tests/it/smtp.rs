use std::time::Duration;

use stoa_kernel::Period;
use stoa_mail::{Address, Cause, Mailer, SendError};

use crate::{config, mail, mailer_of, peer};

/// A mailer over a server that says this to the recipient, and what arrives there.
async fn mailer(to_recipient: &'static str) -> (Mailer, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (address, received) = peer::start(to_recipient).await;
    let url = format!("smtp://{address}?tls=none");
    (mailer_of(&config(&url)), received)
}

#[tokio::test]
async fn a_mail_arrives_whole() {
    let (mailer, mut received) = mailer("250 fine").await;
    assert!(!mailer.is_folder());
    for id in ["one", "two"] {
        let receipt = mailer.send(&mail(id)).await.unwrap();
        assert_eq!(
            (receipt.provider.as_str(), receipt.id.as_str()),
            ("127.0.0.1", "taken")
        );
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
async fn a_connection_that_the_server_closes_is_no_failure_of_the_next_mail() {
    for (step, last_words) in [
        ("NOOP", "421 4.4.2 idle for too long\r\n"),
        ("MAIL", "421 4.7.0 too many mails by this connection\r\n"),
        ("MAIL", ""),
        ("RCPT", "421 4.3.2 closing\r\n"),
        ("DATA", "421 4.3.2 closing\r\n"),
    ] {
        let (address, mut received) = peer::start_closing_at(step, last_words).await;
        let mailer = mailer_of(&config(&format!("smtp://{address}?tls=none")));
        for id in ["one", "two", "three"] {
            let sent = mailer.send(&mail(id)).await;
            assert!(sent.is_ok(), "{step} {last_words}: {sent:?}");
            let arrived = received.recv().await.unwrap();
            assert!(
                arrived.contains(&format!("Message-ID: <{id}@example.com>")),
                "{arrived}"
            );
        }
        assert!(received.try_recv().is_err(), "each of them once");
    }
}

#[tokio::test]
async fn a_refused_recipient_is_for_good_and_the_address_is_not_repeated() {
    let (mailer, _received) = mailer("550 5.1.1 <ada@example.com> no such mailbox").await;
    let Err(SendError::Refused(why)) = mailer.send(&mail("one")).await else {
        panic!("not refused for good")
    };
    assert!(why.contains("no such mailbox") && !why.contains("ada"), "{why}");
}

#[tokio::test]
async fn a_relay_that_does_not_take_our_mail_is_no_refused_recipient() {
    let (mailer, _received) = mailer("554 5.7.1 relay access denied").await;
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(SendError::Permanent(_))
    ));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_at_any_step() {
    for step in ["220", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        let (address, _received) = peer::start_silent_at(step).await;
        let mut config = config(&format!("smtp://{address}?tls=none"));
        config.timeout = Period(Duration::from_millis(100));
        let mailer = mailer_of(&config);
        let letter = mail("one");
        let sent = tokio::time::timeout(Duration::from_secs(20), mailer.send(&letter)).await;
        let Ok(Err(SendError::Transient { why, cause, .. })) = sent else {
            panic!("{step}: {sent:?}")
        };
        assert!(why.contains("did not answer"), "{step}: {why}");
        let lost = if step == "." { Cause::Lost } else { Cause::Provider };
        assert_eq!(cause, lost, "{step}");
    }
}

#[tokio::test]
async fn a_full_mailbox_is_tried_again_later_and_is_not_the_servers_fault() {
    let (mailer, _received) = mailer("452 4.2.2 mailbox full").await;
    let sent = mailer.send(&mail("one")).await;
    assert!(
        matches!(
            sent,
            Err(SendError::Transient {
                cause: Cause::Recipient,
                ..
            })
        ),
        "{sent:?}"
    );
}

#[tokio::test]
async fn a_busy_server_is_asked_again_later() {
    let (mailer, _received) = mailer("451 4.3.0 try again later").await;
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(SendError::Transient { .. })
    ));
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_a_matter_of_settings_not_of_the_mail() {
    let (mailer, _received) = mailer("530 5.7.0 authentication required").await;
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(SendError::Transient { .. })
    ));
}

#[tokio::test]
async fn a_server_that_is_away_is_asked_again_later() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    drop(listener);
    let mailer = mailer_of(&config(&url));
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(SendError::Transient { .. })
    ));
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_unless_told_to() {
    let (address, mut received) = peer::start("250 fine").await; // offers no STARTTLS
    let mailer = mailer_of(&config(&format!("smtp://{address}")));
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
    let strict = mailer_of(&config(&url));
    assert!(strict.takes(&ascii).await && !strict.takes(&beyond).await);
    assert!(matches!(strict.send(&to).await, Err(SendError::Refused(_))));
    to.to = ascii.to_string();
    strict.send(&to).await.unwrap();
    let arrived = received.recv().await.unwrap();
    assert!(
        arrived.starts_with("RCPT TO:<ada@xn--bcher-kva.example>"),
        "{arrived}"
    );
}

/// A mailer over one server that says this to the recipient, and a second one that takes everything.
async fn two(to_recipient: &'static str) -> (Mailer, [tokio::sync::mpsc::UnboundedReceiver<String>; 2]) {
    let (first, first_received) = peer::start(to_recipient).await;
    let (second, second_received) = peer::start("250 fine").await;
    let mut config = config(&format!("smtp://{first}?tls=none"));
    config.fallback_urls = vec![format!("smtp://{second}?tls=none&per_day=7")];
    (mailer_of(&config), [first_received, second_received])
}

#[tokio::test]
async fn what_the_first_server_cannot_take_goes_to_the_next() {
    for said in ["451 4.3.0 try again later", "554 5.7.1 relay access denied"] {
        let (mailer, [_, mut second]) = two(said).await;
        let receipt = mailer.send(&mail("one")).await.unwrap();
        assert_eq!(receipt.provider, "127.0.0.1#2", "{said}");
        assert!(second.recv().await.unwrap().contains("Subject: Welcome one"));
    }
}

#[tokio::test]
async fn a_refused_recipient_is_refused_by_the_first_alone() {
    let (mailer, [_, mut second]) = two("550 5.1.1 no such mailbox").await;
    assert!(matches!(
        mailer.send(&mail("one")).await,
        Err(SendError::Refused(_))
    ));
    assert!(second.try_recv().is_err());
}

#[tokio::test]
async fn a_mail_whose_answer_was_lost_is_not_given_to_another_server_at_once() {
    let (silent, mut first) = peer::start_silent_at(".").await;
    let (other, mut second) = peer::start("250 fine").await;
    let mut config = config(&format!("smtp://{silent}?tls=none"));
    config.timeout = Period(Duration::from_millis(100));
    config.fallback_urls = vec![format!("smtp://{other}?tls=none")];
    let sent = mailer_of(&config).send(&mail("one")).await;
    assert!(
        matches!(
            sent,
            Err(SendError::Transient {
                cause: Cause::Lost,
                ..
            })
        ),
        "{sent:?}"
    );
    assert!(first.try_recv().is_err() && second.try_recv().is_err());
}

#[tokio::test]
async fn the_only_server_is_tried_with_each_mail() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counting = tokio::spawn(async move {
        let mut count = 0;
        // Closed at once, each of them.
        while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await {
            count += 1;
        }
        count
    });
    let mailer = mailer_of(&config(&format!("smtp://{address}?tls=none")));
    for n in 0..20 {
        let sent = mailer.send(&mail(&format!("m{n}"))).await;
        let at_any_time = matches!(
            sent,
            Err(SendError::Transient {
                retry_after: None,
                ..
            })
        );
        assert!(at_any_time, "{sent:?}");
    }
    assert_eq!(counting.await.unwrap(), 20);
}

#[test]
fn every_url_of_the_settings_is_looked_at() {
    let mut without_first = config("");
    without_first.fallback_urls = vec!["smtp://mx.example".to_owned()];
    let mut wrong_second = config("smtp://mx.example");
    wrong_second.fallback_urls = vec![
        "smtp://mx.example".to_owned(),
        "http://ada:hunter2@mx.example".to_owned(),
    ];
    for (config, words) in [
        (without_first, "mail.fallback_urls is set"),
        (wrong_second, "mail.fallback_urls must begin"),
        (config("ada:hunter2@mx.example:587"), "mail.url must begin"),
        (config("hunter2"), "mail.url is not a URL"),
        (
            config("smtp://ada:hunter2@mx.example?per_day=many"),
            "mail.url: per_day must be",
        ),
    ] {
        let error = config.check().unwrap_err().to_string();
        assert!(error.starts_with(words) && !error.contains("hunter2"), "{error}");
    }
}

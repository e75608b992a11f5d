use std::{fs, os::unix::fs::PermissionsExt};

use stoa_mail::{Header, SendError};

use crate::{config, folder, mail, mailer_in, opened};

#[tokio::test]
async fn mails_are_listed_newest_first_and_stored_for_mail_programs() {
    let (mailer, dir) = folder();
    assert!(mailer.is_folder());
    for id in ["first", "second"] {
        let receipt = mailer.send(&mail(id)).await.unwrap();
        assert_eq!((receipt.provider.as_str(), receipt.id.as_str()), ("folder", id));
    }
    assert_eq!(mailer.mailbox().await.unwrap(), [mail("second"), mail("first")]);
    let eml = fs::read_to_string(dir.path().join("mail/first.eml")).unwrap();
    for part in [
        "From: Stoa <stoa@example.com>\r\n",
        "To: Ada <ada@example.com>\r\n",
        "Subject: Welcome first\r\n",
        "Message-ID: <first@example.com>\r\n",
        "multipart/alternative",
        "text/plain; charset=utf-8",
        "text/html; charset=utf-8",
    ] {
        assert!(eml.contains(part), "{part:?} is not in\n{eml}");
    }
}

#[tokio::test]
async fn the_mailbox_keeps_further_headers_and_reads_mails_from_before_there_were_any() {
    let (mailer, dir) = folder();
    let mut news = mail("news");
    let address = "<https://example.com/unsubscribe?token=abc>";
    news.headers.insert(Header::ListUnsubscribe, address.to_owned());
    mailer.send(&news).await.unwrap();
    assert_eq!(mailer.mailbox().await.unwrap(), [news.clone()]);
    let eml = fs::read_to_string(dir.path().join("mail/news.eml")).unwrap();
    assert!(
        eml.contains(&format!("\r\nList-Unsubscribe: {address}\r\n")),
        "{eml}"
    );

    let record = dir.path().join("mail/news.json");
    let mut stored: serde_json::Value = serde_json::from_str(&fs::read_to_string(&record).unwrap()).unwrap();
    stored.as_object_mut().unwrap().remove("headers").unwrap();
    fs::write(&record, stored.to_string()).unwrap();
    news.headers.clear();
    assert_eq!(mailer.mailbox().await.unwrap(), [news]);
}

#[tokio::test]
async fn a_mail_is_stored_once_per_id() {
    let (mailer, dir) = folder();
    mailer.send(&mail("one")).await.unwrap();
    let mut again = mail("one");
    again.subject = "Another".to_owned();
    mailer.send(&again).await.unwrap();
    assert_eq!(mailer.mailbox().await.unwrap(), [mail("one")]);
    assert_eq!(fs::read_dir(dir.path().join("mail")).unwrap().count(), 2);
}

#[tokio::test]
async fn the_mailbox_is_there_after_a_restart_and_for_this_user_alone() {
    let (mailer, dir) = folder();
    mailer.send(&mail("one")).await.unwrap();
    let path = dir.path().join("mail");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let again = mailer_in(&config(""), path);
    assert_eq!(again.mailbox().await.unwrap(), [mail("one")]);
}

#[tokio::test]
async fn the_mailbox_keeps_the_newest() {
    let (mailer, dir) = folder();
    for n in 0..600 {
        mailer.send(&mail(&format!("m{n:03}"))).await.unwrap();
    }
    let kept = mailer.mailbox().await.unwrap();
    assert_eq!(kept.len(), 500);
    assert_eq!((kept[0].id.as_str(), kept[499].id.as_str()), ("m599", "m100"));
    let files = fs::read_dir(dir.path().join("mail")).unwrap().count();
    assert!(files <= 2 * 550, "{files} files");
}

#[tokio::test]
async fn what_is_no_mail_of_ours_is_passed_over() {
    let (mailer, dir) = folder();
    mailer.send(&mail("one")).await.unwrap();
    fs::write(dir.path().join("mail/broken.json"), "{").unwrap();
    fs::write(dir.path().join("mail/notes.txt"), "hello").unwrap();
    assert_eq!(mailer.mailbox().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_mail_that_can_never_be_sent_is_refused_for_good() {
    let (mailer, dir) = folder();
    let mut wrong = [mail("a"), mail("a"), mail("../a"), mail("a")];
    wrong[0].to = "nobody".to_owned();
    wrong[1].subject = "Hello\r\nBcc: eve@example.com".to_owned();
    wrong[3].to = "a@example.com\r\nBcc: eve@example.com".to_owned();
    for mail in &wrong {
        assert!(
            matches!(
                mailer.send(mail).await,
                Err(SendError::Permanent(_) | SendError::Refused(_))
            ),
            "{mail:?}"
        );
    }
    assert_eq!(fs::read_dir(dir.path().join("mail")).unwrap().count(), 0);
}

#[test]
fn a_sender_that_is_no_address_is_a_mistake_in_the_settings() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut config = config("");
    config.from = "Stoa".to_owned();
    let error = opened(&config, dir.path().join("mail")).err().unwrap();
    assert!(error.to_string().starts_with("mail.from"), "{error}");
}

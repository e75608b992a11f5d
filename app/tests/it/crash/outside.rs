//! The servers of others: one that takes mails, one that takes webhooks. Nothing breaks them, and they keep what has come.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use stoa_kernel::UserId;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::stoa::Caller;

/// Of so many mails the server takes one and ends the connection without an answer: the sender cannot know.
const UNANSWERED: usize = 40;
/// The mails that follow from a registration.
const MAILS: [&str; 2] = ["Welcome to Stoa", "Verify your e-mail address for Stoa"];
/// Mails and webhooks that may be on their way at one moment: what breaks then may send each of them again.
const UNDER_WAY: usize = 64;

/// The servers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outside {
    mail: SocketAddr,
    webhooks: SocketAddr,
    came: Arc<Mutex<Came>>,
}

#[derive(Default)]
struct Came {
    /// How often each came: by address, subject and Message-ID.
    mails: HashMap<(String, String), HashMap<String, usize>>,
    /// How often each came: by person and `webhook-id`.
    webhooks: HashMap<UserId, HashMap<String, usize>>,
    taken: usize,
    unanswered: usize,
}

impl Outside {
    pub(crate) async fn start() -> Self {
        let (mail, webhooks) = (listen().await, listen().await);
        let outside = Self {
            mail: mail.local_addr().unwrap(),
            webhooks: webhooks.local_addr().unwrap(),
            came: Arc::default(),
        };
        tokio::spawn(outside.clone().take_mails(mail));
        let router = Router::new()
            .route("/", post(take_webhook))
            .with_state(outside.clone());
        tokio::spawn(async move { axum::serve(webhooks, router).await.unwrap() });
        outside
    }

    /// The settings by which mails go to this server.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let url = format!("smtp://{}?tls=none", self.mail);
        vec![("STOA_MAIL__URL".to_owned(), url)]
    }

    /// Has every registration sent here; returns the path of the endpoint.
    pub(crate) async fn subscribe(&self, caller: &Caller, admin: &str) -> String {
        let url = format!("http://{}/", self.webhooks);
        let made = caller
            .request(Method::POST, "/api/v1/webhooks/installation/endpoints")
            .bearer_auth(admin)
            .json(&json!({ "url": url, "events": ["user.registered"] }))
            .send()
            .await
            .unwrap();
        let status = made.status();
        let endpoint: Value = made.json().await.unwrap();
        assert_eq!(status, 201, "{endpoint}");
        format!("/api/v1/webhooks/endpoints/{}", endpoint["id"].as_str().unwrap())
    }

    /// What has not come yet of these people's registrations; none if all has.
    pub(crate) fn missing(&self, people: &HashMap<UserId, String>) -> Option<String> {
        let came = self.came.lock();
        for (user, email) in people {
            if !came.webhooks.contains_key(user) {
                return Some(format!("the webhook of {email}"));
            }
            for subject in MAILS {
                if !came.mails.contains_key(&(email.clone(), subject.to_owned())) {
                    return Some(format!("{subject:?} to {email}"));
                }
            }
        }
        None
    }

    /// Each person's registration is one webhook and one mail of each kind. Those that came twice are known as the same by their
    /// ids, and are no more than what was under way when one of so many things broke, or was not answered.
    pub(crate) fn each_once(&self, people: &HashMap<UserId, String>, broken: usize) {
        let came = self.came.lock();
        let addresses: HashSet<_> = people.values().collect();
        let (mut again, mut sent_again) = (0, 0);
        for ((address, subject), ids) in &came.mails {
            if addresses.contains(address) {
                assert_eq!(ids.len(), 1, "{subject:?} to {address}: {ids:?}");
                again += ids.values().sum::<usize>() - 1;
            }
        }
        for user in people.keys() {
            let ids = &came.webhooks[user];
            assert_eq!(ids.len(), 1, "webhooks of {user}: {ids:?}");
            sent_again += ids.values().sum::<usize>() - 1;
        }
        let unanswered = came.unanswered;
        println!(
            "crash: of {} mails {unanswered} were not answered; {again} mails and {sent_again} webhooks came again",
            came.taken
        );
        assert!(
            again <= unanswered + broken * UNDER_WAY,
            "{again} mails came again"
        );
        assert!(
            sent_again <= broken * UNDER_WAY,
            "{sent_again} webhooks came again"
        );
    }

    async fn take_mails(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().take_mail(stream));
        }
    }

    /// One connection, by as much of SMTP as clients need.
    async fn take_mail(self, stream: TcpStream) -> std::io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut recipient = String::new();
        write.write_all(b"220 mail.example.com ESMTP\r\n").await?;
        while let Some(line) = lines.next_line().await? {
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let answer: &[u8] = match verb.as_str() {
                "EHLO" => b"250-mail.example.com\r\n250 8BITMIME\r\n",
                "RCPT" => {
                    recipient = between(&line, '<', '>');
                    b"250 fine\r\n"
                }
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let (mut id, mut subject) = (String::new(), String::new());
                    loop {
                        match lines.next_line().await? {
                            None => return Ok(()),
                            Some(line) if line == "." => break,
                            Some(line) => {
                                if let Some(rest) = line.strip_prefix("Message-ID:") {
                                    id = rest.trim().to_owned();
                                } else if let Some(rest) = line.strip_prefix("Subject:") {
                                    subject = rest.trim().to_owned();
                                }
                            }
                        }
                    }
                    if !self.keep_mail(&recipient, subject, id) {
                        return Ok(());
                    }
                    b"250 taken\r\n"
                }
                "QUIT" => return write.write_all(b"221 bye\r\n").await,
                _ => b"250 fine\r\n",
            };
            write.write_all(answer).await?;
        }
        Ok(())
    }

    /// False: it is not answered.
    fn keep_mail(&self, recipient: &str, subject: String, id: String) -> bool {
        let mut came = self.came.lock();
        let ids = came.mails.entry((recipient.to_owned(), subject)).or_default();
        *ids.entry(id).or_default() += 1;
        came.taken += 1;
        let is_answered = !came.taken.is_multiple_of(UNANSWERED);
        came.unanswered += usize::from(!is_answered);
        is_answered
    }
}

async fn take_webhook(State(outside): State<Outside>, headers: HeaderMap, Json(message): Json<Value>) {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let user: UserId = message["data"]["user_id"].as_str().unwrap().parse().unwrap();
    let mut came = outside.came.lock();
    *came.webhooks.entry(user).or_default().entry(id).or_default() += 1;
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn between(text: &str, from: char, to: char) -> String {
    let rest = text.split_once(from).map_or("", |(_, rest)| rest);
    rest.split_once(to).map_or(rest, |(inner, _)| inner).to_owned()
}

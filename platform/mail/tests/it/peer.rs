//! The server's side of SMTP, as far as one mail needs it.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What the server says to the recipient: "250 fine", "550 no such mailbox".
pub(crate) async fn start(to_recipient: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    start_with(Habits {
        to_recipient,
        ..Habits::default()
    })
    .await
}

/// One that says nothing any more from this step on: "220" is the greeting, "." the end of the mail.
pub(crate) async fn start_silent_at(step: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    start_with(Habits {
        silent_at: step,
        ..Habits::default()
    })
    .await
}

/// One that takes a mail by each connection and closes it at this step of the next, with these last words or none.
pub(crate) async fn start_closing_at(
    step: &'static str,
    last_words: &'static str,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    start_with(Habits {
        closes_at: Some((step, last_words)),
        ..Habits::default()
    })
    .await
}

/// What a server does that others do not.
#[derive(Clone, Copy)]
struct Habits {
    to_recipient: &'static str,
    silent_at: &'static str,
    closes_at: Option<(&'static str, &'static str)>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            to_recipient: "250 fine",
            silent_at: "",
            closes_at: None,
        }
    }
}

async fn start_with(habits: Habits) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, habits, sender.clone()));
        }
    });
    (address, received)
}

/// One connection; every mail that comes goes to `received` as it was sent, after the line of its recipient.
async fn talk(stream: TcpStream, habits: Habits, received: mpsc::UnboundedSender<String>) -> Option<()> {
    let mut has_taken = false;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut recipient = String::new();
    let silence = async |step: &str| {
        if step == habits.silent_at {
            std::future::pending::<()>().await;
        }
    };
    silence("220").await;
    write.write_all(b"220 peer ESMTP\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let step = line.split([' ', ':']).next()?;
        silence(step).await;
        if let Some((at, last_words)) = habits.closes_at
            && has_taken
            && at == step
        {
            write.write_all(last_words.as_bytes()).await.ok()?;
            return None;
        }
        let answer = match step {
            "EHLO" if line.ends_with("ascii.example") => "250-peer\r\n250 8BITMIME",
            "EHLO" => "250-peer\r\n250-SMTPUTF8\r\n250 8BITMIME",
            "RCPT" => {
                recipient.clone_from(&line);
                habits.to_recipient
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = format!("{recipient}\n");
                loop {
                    match lines.next_line().await.ok()??.as_str() {
                        "." => break,
                        line => mail += &format!("{}\n", line.strip_prefix('.').unwrap_or(line)),
                    }
                }
                silence(".").await;
                received.send(mail).ok()?;
                has_taken = true;
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
    Some(())
}

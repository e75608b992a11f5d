//! The server's side of SMTP, as far as one mail needs it.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What the server says to the recipient: "250 fine", "550 no such mailbox".
pub(crate) async fn start(to_recipient: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    start_with(to_recipient, "").await
}

/// One that says nothing any more from this step on: "220" is the greeting, "." the end of the mail.
pub(crate) async fn start_silent_at(step: &'static str) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    start_with("250 fine", step).await
}

async fn start_with(
    to_recipient: &'static str,
    silent_at: &'static str,
) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, to_recipient, silent_at, sender.clone()));
        }
    });
    (address, received)
}

/// One connection; every mail that comes goes to `received` as it was sent, after the line of its recipient.
async fn talk(
    stream: TcpStream,
    to_recipient: &'static str,
    silent_at: &'static str,
    received: mpsc::UnboundedSender<String>,
) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut recipient = String::new();
    let silence = async |step: &str| {
        if step == silent_at {
            std::future::pending::<()>().await;
        }
    };
    silence("220").await;
    write.write_all(b"220 peer ESMTP\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        silence(line.split([' ', ':']).next()?).await;
        let answer = match line.split([' ', ':']).next()? {
            "EHLO" if line.ends_with("ascii.example") => "250-peer\r\n250 8BITMIME",
            "EHLO" => "250-peer\r\n250-SMTPUTF8\r\n250 8BITMIME",
            "RCPT" => {
                recipient = line;
                to_recipient
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
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
    Some(())
}

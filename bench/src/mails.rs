//! Mails through the queue: from a request to what an SMTP server has taken.

use std::{
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::{report::Report, rounds::median, server::Server};

/// Recipients of one notification.
const PEOPLE: usize = 100;
/// Notifications of one round.
const NOTIFICATIONS: usize = 20;
const ROUNDS: usize = 3;
const PASSWORD: &str = "correct horse battery staple";

/// One mail for each recipient of many notifications, on SQLite: each with its decision, its steps, the address asked of auth, a text
/// made of its template, and a link to unsubscribe.
pub(crate) async fn measure(stoa: &Path, report: &mut Report) -> Result<(), crate::Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("smtp://{}?tls=none", listener.local_addr()?);
    let taken = Arc::new(AtomicUsize::new(0));
    tokio::spawn(serve(listener, Arc::clone(&taken)));
    let server = Server::with(stoa, &[("MAIL__URL", &url)]).await?;
    let token = administrator(stoa, &server).await?;
    let people = people(&server).await?;
    until(&taken, PEOPLE).await?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let (before, start) = (taken.load(Ordering::Relaxed), Instant::now());
        for _ in 0..NOTIFICATIONS {
            let body = json!({ "type": "account.welcome", "users": people, "data": { "first_name": "Ada" } });
            post(&server, "/api/v1/notifications/send", Some(&token), &body).await?;
        }
        until(&taken, before + PEOPLE * NOTIFICATIONS).await?;
        rates.push((PEOPLE * NOTIFICATIONS) as f64 / start.elapsed().as_secs_f64());
    }
    report.plain(
        "mails through the queue to an SMTP server",
        format!("{:.0} mails/s", median(rates)),
        "all services in one process, SQLite, each step fsynced",
    );
    Ok(())
}

async fn until(taken: &AtomicUsize, count: usize) -> Result<(), crate::Error> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while taken.load(Ordering::Relaxed) < count {
        if Instant::now() > deadline {
            return Err(format!("{} of {count} mails came", taken.load(Ordering::Relaxed)).into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn post(server: &Server, path: &str, token: Option<&str>, body: &Value) -> Result<Value, crate::Error> {
    let request = reqwest::Client::new()
        .post(format!("{}{path}", server.url))
        .json(body);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    Ok(request.send().await?.error_for_status()?.json().await?)
}

/// The ids of so many people.
async fn people(server: &Server) -> Result<Vec<Value>, crate::Error> {
    let mut ids = Vec::new();
    for number in 0..PEOPLE {
        let body = json!({ "email": format!("bench{number}@example.com"), "password": PASSWORD });
        let registered = post(server, "/api/v1/auth/register", None, &body).await?;
        ids.push(registered["user"]["id"].clone());
    }
    Ok(ids)
}

/// The token of somebody who may send.
async fn administrator(stoa: &Path, server: &Server) -> Result<String, crate::Error> {
    let mut command = Command::new(stoa)
        .arg("--data-dir")
        .arg(server.data_dir())
        .args(["admin", "create", "--email", "root@example.com"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut input = command.stdin.take().ok_or("no input")?;
    input.write_all(format!("{PASSWORD}\n").as_bytes()).await?;
    drop(input);
    if !command.wait().await?.success() {
        return Err("the administrator could not be made".into());
    }
    let body = json!({ "email": "root@example.com", "password": PASSWORD });
    let session = post(server, "/api/v1/auth/login", None, &body).await?;
    Ok(session["access_token"].as_str().ok_or("no token")?.to_owned())
}

/// A mail server that takes all there is, and counts it.
async fn serve(listener: TcpListener, taken: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(session(stream, Arc::clone(&taken)));
    }
}

async fn session(stream: TcpStream, taken: Arc<AtomicUsize>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 sink ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer: &[u8] = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                while lines.next_line().await?.is_some_and(|line| line != ".") {}
                taken.fetch_add(1, Ordering::Relaxed);
                b"250 taken\r\n"
            }
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => b"250 fine\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}

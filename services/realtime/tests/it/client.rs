//! A client by WebSocket, made of another library's handshake and frames.

use std::{collections::VecDeque, time::Duration};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use stoa_events::Channel;
use stoa_testkit::TestApp;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

use crate::transcript::Transcript;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    id: u64,
    transcript: Transcript,
    /// What came that was no answer.
    pushed: VecDeque<Value>,
}

impl Client {
    /// Connected, and nothing said yet.
    pub(crate) async fn open(app: &TestApp) -> Self {
        let tried = Self::try_open(app).await;
        tried.unwrap()
    }

    pub(crate) async fn try_open(app: &TestApp) -> Result<Self, Error> {
        let stream = TcpStream::connect(app.address()).await.unwrap();
        let transcript = Transcript::begin();
        let (socket, _) = client_async("ws://stoa.example/api/v1/realtime", stream)
            .await
            .inspect_err(|error| {
                if let Error::Http(refused) = error {
                    transcript.note(&json!({ "refused": refused.status().as_u16() }));
                }
            })?;
        Ok(Self {
            socket,
            id: 0,
            transcript,
            pushed: VecDeque::new(),
        })
    }

    /// Connected and signed in.
    pub(crate) async fn of(app: &TestApp, token: &str) -> Self {
        let mut client = Self::open(app).await;
        client.result(json!({ "connect": { "token": token } })).await;
        client
    }

    /// What is answered to a command.
    pub(crate) async fn ask(&mut self, mut command: Value) -> Value {
        self.id += 1;
        command["id"] = self.id.into();
        self.send(&command.to_string()).await;
        loop {
            let text = self.text().await;
            if text["id"] == self.id {
                return text;
            }
            self.pushed.push_back(text);
        }
    }

    /// As [`Self::ask`], for one that is done.
    pub(crate) async fn result(&mut self, command: Value) -> Value {
        let mut answer = self.ask(command.clone()).await;
        assert!(answer.get("result").is_some(), "{command}: {answer}");
        answer["result"].take()
    }

    /// As [`Self::ask`], for one that is refused: the code.
    pub(crate) async fn refusal(&mut self, command: Value) -> String {
        let answer = self.ask(command.clone()).await;
        let code = answer["problem"]["code"].as_str().map(str::to_owned);
        code.unwrap_or_else(|| panic!("{command}: {answer}"))
    }

    pub(crate) async fn subscribe(&mut self, channel: &Channel) -> Value {
        self.result(json!({ "subscribe": { "channel": channel } })).await
    }

    pub(crate) async fn recover(&mut self, channel: &Channel, epoch: &Value, offset: i64) -> Value {
        let recover = json!({ "epoch": epoch, "offset": offset });
        self.result(json!({ "subscribe": { "channel": channel, "recover": recover } }))
            .await
    }

    /// The next that is no answer.
    pub(crate) async fn push(&mut self) -> Value {
        match self.pushed.pop_front() {
            Some(pushed) => pushed,
            None => self.text().await,
        }
    }

    pub(crate) async fn pushes(&mut self, count: usize) -> Vec<Value> {
        let mut pushes = Vec::new();
        while pushes.len() < count {
            pushes.push(self.push().await);
        }
        pushes
    }

    /// Nothing is there, and nothing comes within a moment.
    pub(crate) async fn is_silent(&mut self) -> bool {
        self.result(json!({ "ping": {} })).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.result(json!({ "ping": {} })).await;
        self.pushed.is_empty()
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.transcript.note(&json!({ "client": text }));
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> Value {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await;
            match next.expect("something is sent in time") {
                Some(Ok(Message::Text(text))) => {
                    self.transcript.note(&json!({ "server": text.as_str() }));
                    return serde_json::from_str(&text).unwrap();
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads until the connection is closed: the last text, the code and the reason.
    pub(crate) async fn closed(&mut self) -> (Option<Value>, u16, String) {
        let mut last = None;
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await;
            match next.expect("it is closed in time") {
                Some(Ok(Message::Text(text))) => {
                    self.transcript.note(&json!({ "server": text.as_str() }));
                    last = serde_json::from_str(&text).ok();
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    let (code, reason) = (u16::from(frame.code), frame.reason.to_string());
                    self.transcript.note(&json!({ "closed": code, "reason": reason }));
                    return (last, code, reason);
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => return (last, 0, String::new()),
                Some(Ok(_)) => {}
            }
        }
    }
}

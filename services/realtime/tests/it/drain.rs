//! A process that stops sends everybody elsewhere, and not all at once.

use serde_json::json;
use stoa_db::Engine;
use tokio_tungstenite::tungstenite::Error;

use crate::{client::Client, helpers::builder};

#[tokio::test]
async fn each_is_told_when_to_come_back() {
    let app = builder(|_| {}).start(Engine::Sqlite).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(Client::of(&app, &app.token(app.new_user(), &[])).await);
    }
    app.drain();
    let mut waits = Vec::new();
    for client in &mut clients {
        let (last, code, reason) = client.closed().await;
        assert_eq!((code, &*reason), (4000, "shutdown"));
        let told = &last.unwrap()["disconnect"];
        assert_eq!(told["reconnect"], json!(true));
        waits.push(told["reconnect_after_ms"].as_u64().unwrap());
    }
    waits.sort_unstable();
    assert!(*waits.last().unwrap() <= 10_000);
    assert!(
        waits[19] - waits[0] > 3000,
        "they come back at different times: {waits:?}"
    );
    let Err(Error::Http(refused)) = Client::try_open(&app).await else {
        panic!("nobody is let in any more");
    };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    app.stop().await;
}

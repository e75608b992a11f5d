//! The process is killed at random moments under load; whatever was acknowledged must be there, once.

use std::{collections::HashMap, path::Path, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use stoa_db::{Db, DbOptions};
use stoa_kernel::UserId;

use crate::stoa::{PASSWORD, Stoa, folder};

/// Clients that register without pause until the process is gone.
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let rounds: u32 = number("STOA_TEST_CRASH_ROUNDS").unwrap_or(30);
    let seed: u64 = number("STOA_TEST_CRASH_SEED").unwrap_or_else(rand::random);
    println!("crash: {rounds} rounds, seed {seed}; run again with: make crash ROUNDS={rounds} SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (_scratch, data_dir) = folder();
    let mut acknowledged: Vec<(UserId, String)> = Vec::new();
    for round in 0..rounds {
        let stoa = Stoa::serve(&data_dir);
        let moment = Duration::from_millis(random.random_range(5..400));
        acknowledged.extend(kill_under_load(stoa, round, moment).await);
    }
    let stoa = Stoa::serve(&data_dir);
    assert!(
        acknowledged.len() > rounds as usize,
        "only {} registrations were acknowledged",
        acknowledged.len()
    );
    for (user, email) in &acknowledged {
        assert_eq!(stoa.login(email).await["user"]["id"], user.to_string());
    }
    everything_followed(&data_dir).await;
    assert!(stoa.terminate().success());
    exactly_once(&data_dir, &acknowledged).await;
    let verified = crate::stoa::run(&data_dir, &["audit", "verify"]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
    println!(
        "crash: {} registrations acknowledged, all there, each once",
        acknowledged.len()
    );
}

/// A setting of this test, from the environment.
fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Registers from all clients at once, kills the process at `moment`, and returns whom it had acknowledged.
async fn kill_under_load(stoa: Stoa, round: u32, moment: Duration) -> Vec<(UserId, String)> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (http, url) = (stoa.client.clone(), format!("{}/api/v1/auth/register", stoa.url));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let email = format!("r{round}c{client}n{number}@example.com");
                    let request = http
                        .post(&url)
                        .json(&json!({"email": email, "password": PASSWORD, "first_name": "Ada"}));
                    let Ok(answer) = request.send().await else { break };
                    assert_eq!(answer.status(), 201, "{email}");
                    // Acknowledged once the whole answer has arrived.
                    let Ok(body) = answer.json::<Value>().await else {
                        break;
                    };
                    acknowledged.push((body["user"]["id"].as_str().unwrap().parse().unwrap(), email));
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(moment).await;
    stoa.kill();
    let mut acknowledged = Vec::new();
    for client in clients {
        acknowledged.extend(client.await.unwrap());
    }
    acknowledged
}

async fn open(data_dir: &Path, service: &str) -> Db {
    let url = format!("sqlite:{}", data_dir.join(format!("{service}.db")).display());
    Db::open(DbOptions::new(url, service)).await.unwrap()
}

/// Waits until no service has an event to hand on or a job to do.
async fn everything_followed(data_dir: &Path) {
    let (auth, users) = (open(data_dir, "auth").await, open(data_dir, "users").await);
    for _ in 0..600 {
        let (a, u) = (
            stoa_events::stats(&auth).await.unwrap(),
            stoa_events::stats(&users).await.unwrap(),
        );
        assert_eq!(a.dead + u.dead, 0, "dead letters");
        if a.outbox + a.ready + a.running + u.outbox + u.ready + u.running == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("events or jobs were left over after 60 s");
}

/// Every account has one profile and one audit entry of its registration, whether it was acknowledged or not.
async fn exactly_once(data_dir: &Path, acknowledged: &[(UserId, String)]) {
    let (auth, users) = (open(data_dir, "auth").await, open(data_dir, "users").await);
    let accounts: Vec<UserId> = auth.fetch_all("SELECT id FROM accounts", &[]).await.unwrap();
    let profiles = count(&users, "SELECT user_id, COUNT(*) FROM profiles GROUP BY user_id").await;
    let entries = count(
        &auth,
        "SELECT resource_id, COUNT(*) FROM audit WHERE action = 'account.create' GROUP BY resource_id",
    )
    .await;
    for (user, email) in acknowledged {
        assert!(accounts.contains(user), "{email} was acknowledged and is gone");
    }
    for user in &accounts {
        assert_eq!(profiles.get(user), Some(&1), "profiles of {user}");
        assert_eq!(entries.get(user), Some(&1), "audit entries of {user}");
    }
    assert_eq!(profiles.len(), accounts.len(), "profiles without an account");
    assert_eq!(entries.len(), accounts.len(), "audit entries without an account");
}

async fn count(db: &Db, sql: &str) -> HashMap<UserId, i64> {
    db.fetch_all::<(UserId, i64)>(sql, &[])
        .await
        .unwrap()
        .into_iter()
        .collect()
}

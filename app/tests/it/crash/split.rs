//! In the split shape any process and any engine breaks, at random moments, while the load goes on.

use std::{process::Command, time::Duration};

use rand::{Rng, RngExt, seq::SliceRandom};
use reqwest::Method;
use serde_json::Value;
use stoa_split::Split;
use tokio::task::block_in_place;

use super::{
    checker::{self, Checker},
    load::{Load, Person},
    outside::Outside,
    rounds,
};
use crate::{
    cli::admin,
    stoa::{Caller, PASSWORD, token},
    system,
};

/// What may break.
#[derive(Clone, Copy, Debug)]
enum Strike {
    Process(&'static str),
    BrokerStops,
    BrokerDies,
    Database,
    Redis,
}

const STRIKES: [Strike; 10] = [
    Strike::Process("auth"),
    Strike::Process("users"),
    Strike::Process("notifications"),
    Strike::Process("realtime"),
    Strike::Process("webhooks"),
    Strike::Process("gateway"),
    Strike::BrokerStops,
    Strike::BrokerDies,
    Strike::Database,
    Strike::Redis,
];

/// An administrator.
const ROOT: &str = "root-of-crashes@example.com";

/// Rounds between two looks at everything.
const CHECK_EVERY: u32 = 5;
/// How many of a round's people log in; the tables are asked for all of them.
const LOG_IN: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let Some(mut split) = system::split_alone("processes and engines are not killed").await else {
        return;
    };
    let usual = u32::try_from(STRIKES.len()).unwrap();
    let (rounds, mut random) = rounds(usual);
    let caller = Caller::new(split.url());
    let outside = Outside::start().await;
    block_in_place(|| send_mails_by(&mut split, &outside.variables()));
    let root = root(&split, &caller).await;
    let endpoint = outside.subscribe(&caller, token(&root)).await;
    let mut people = Vec::new();
    let mut order = Vec::new();
    for round in 0..rounds {
        if order.is_empty() {
            order.extend(STRIKES);
            order.shuffle(&mut random);
        }
        let strike = order.pop().unwrap();
        let news = strike_under_load(&mut split, &caller, strike, round, &mut random).await;
        checker::everybody_logs_in(&caller, &news[..news.len().min(LOG_IN)]).await;
        let acknowledged = news.len();
        people.extend(news);
        println!("crash: round {round}, {strike:?}: {acknowledged} registrations acknowledged");
        // It takes some seconds until all has followed.
        if round % CHECK_EVERY == CHECK_EVERY - 1 || round == rounds - 1 {
            check(&split, &people, &outside, round as usize + 1).await;
            println!("crash: all are there, each once");
        }
    }
    let root = caller.login(ROOT).await;
    let deleted = caller
        .request(Method::DELETE, &endpoint)
        .bearer_auth(token(&root));
    assert_eq!(deleted.send().await.unwrap().status(), 204);
    block_in_place(|| send_mails_by(&mut split, &[("STOA_MAIL__URL".to_owned(), String::new())]));
}

/// The services that send mails are restarted with these settings.
fn send_mails_by(split: &mut Split, settings: &[(String, String)]) {
    for service in ["auth", "notifications"] {
        for node in split.nodes(service) {
            for (name, value) in settings {
                node.restart_with(name, value);
            }
        }
    }
}

/// The session of an administrator.
async fn root(split: &Split, caller: &Caller) -> Value {
    let made = block_in_place(|| admin(split.command(), ROOT, PASSWORD, &[]));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    caller.login(ROOT).await
}

/// Breaks something under load, repairs it, and returns once writes are acknowledged again.
async fn strike_under_load(
    split: &mut Split,
    caller: &Caller,
    strike: Strike,
    round: u32,
    random: &mut impl Rng,
) -> Vec<Person> {
    let load = Load::start(caller, &format!("r{round}"));
    load.goes_on().await;
    tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
    let which = random.random_range(0..2);
    block_in_place(|| strike.hit(split, which));
    tokio::time::sleep(Duration::from_millis(random.random_range(50..1500))).await;
    block_in_place(|| strike.repair(split, which));
    load.goes_on().await;
    load.stop().await
}

async fn check(split: &Split, people: &[Person], outside: &Outside, broken: usize) {
    let folder = split.folder();
    let files = ["split.toml", "provisioned.toml"].map(|file| folder.join(file));
    let checker = Checker::open(&[&files[0], &files[1]], folder).await.with(outside);
    checker.everything_followed().await;
    checker.exactly_once(people, broken).await;
    checker.close().await;
    let stoa: Command = split.command();
    block_in_place(|| checker::audit_is_whole(stoa));
}

impl Strike {
    fn hit(self, split: &mut Split, which: usize) {
        match self {
            Self::Process(service) => split.nodes(service)[which].kill(),
            Self::BrokerStops => split.engines().broker.stop(),
            Self::BrokerDies => split.engines().broker.kill(),
            Self::Database => split.engines().postgres.kill(),
            Self::Redis => split.engines().redis.kill(),
        }
    }

    fn repair(self, split: &mut Split, which: usize) {
        match self {
            Self::Process(service) => {
                let node = &mut split.nodes(service)[which];
                node.start();
                node.wait();
            }
            Self::BrokerStops | Self::BrokerDies => split.engines().broker.start_again(),
            Self::Database => split.engines().postgres.start_again(),
            Self::Redis => split.engines().redis.start_again(),
        }
    }
}

//! In the split shape any process and any engine breaks, at random moments, while the load goes on.

use std::{process::Command, time::Duration};

use rand::{Rng, RngExt, seq::SliceRandom};
use stoa_split::Split;
use tokio::task::block_in_place;

use super::{
    checker::{self, Checker},
    load::{Load, Person},
    rounds,
};
use crate::{stoa::Caller, system};

/// What may break.
#[derive(Clone, Copy, Debug)]
enum Strike {
    Process(&'static str),
    BrokerStops,
    BrokerDies,
    Database,
    Redis,
}

const STRIKES: [Strike; 7] = [
    Strike::Process("auth"),
    Strike::Process("users"),
    Strike::Process("gateway"),
    Strike::BrokerStops,
    Strike::BrokerDies,
    Strike::Database,
    Strike::Redis,
];

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
        check(&split, &people).await;
        println!(
            "crash: round {round}, {strike:?}: {acknowledged} registrations acknowledged, all there, each once"
        );
    }
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

async fn check(split: &Split, people: &[Person]) {
    let folder = split.folder();
    let files = ["split.toml", "provisioned.toml"].map(|file| folder.join(file));
    let checker = Checker::open(&[&files[0], &files[1]], folder).await;
    checker.everything_followed().await;
    checker.exactly_once(people).await;
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

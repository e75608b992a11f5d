//! The one process is killed at random moments.

use std::time::Duration;

use rand::RngExt;

use super::{
    checker::{self, Checker},
    load::Load,
    rounds,
};
use crate::{
    stoa::{Stoa, command, folder},
    system,
};

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    if !system::is_embedded("the one process is not killed") {
        return;
    }
    let (rounds, mut random) = rounds(30);
    let (_scratch, data_dir) = folder();
    let mut people = Vec::new();
    for round in 0..rounds {
        let stoa = Stoa::serve(&data_dir);
        let load = Load::start(&stoa, &format!("r{round}"));
        tokio::time::sleep(Duration::from_millis(random.random_range(5..400))).await;
        stoa.kill();
        people.extend(load.stop().await);
    }
    assert!(
        people.len() > rounds as usize,
        "only {} registrations were acknowledged",
        people.len()
    );
    let stoa = Stoa::serve(&data_dir);
    checker::everybody_logs_in(&stoa, &people).await;
    let checker = Checker::open(&[], &data_dir).await;
    checker.everything_followed().await;
    assert!(stoa.terminate().success());
    checker.exactly_once(&people).await;
    checker.close().await;
    checker::audit_is_whole(command(&data_dir));
    println!(
        "crash: {} registrations acknowledged, all there, each once",
        people.len()
    );
}

//! The one process is killed at random moments.

use std::{path::Path, time::Duration};

use rand::RngExt;

use super::{
    checker::{self, Checker},
    load::Load,
    outside::Outside,
    rounds,
};
use crate::{
    cli::create_admin,
    stoa::{PASSWORD, Stoa, command, folder, token},
    system,
};

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    if !system::is_embedded("the one process is not killed") {
        return;
    }
    let (rounds, mut random) = rounds(30);
    let (_scratch, data_dir) = folder();
    let outside = Outside::start().await;
    let serve = || Stoa::serve_with_variables(&data_dir, &outside.variables());
    subscribe(&serve(), &data_dir, &outside).await;
    let mut people = Vec::new();
    for round in 0..rounds {
        let stoa = serve();
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
    let stoa = serve();
    checker::everybody_logs_in(&stoa, &people).await;
    let checker = Checker::open(&[], &data_dir).await.with(&outside);
    checker.everything_followed().await;
    assert!(stoa.terminate().success());
    checker.exactly_once(&people, rounds as usize).await;
    checker.close().await;
    checker::audit_is_whole(command(&data_dir));
    println!(
        "crash: {} registrations acknowledged, all there, each once",
        people.len()
    );
}

/// An administrator has every registration sent outside.
async fn subscribe(stoa: &Stoa, data_dir: &Path, outside: &Outside) {
    let made = create_admin(data_dir, "root@example.com", PASSWORD);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let root = stoa.login("root@example.com").await;
    outside.subscribe(stoa, token(&root)).await;
}

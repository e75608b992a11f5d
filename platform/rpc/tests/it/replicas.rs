//! Calls to several replicas go on while these come and go.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use stoa_rpc::Directory;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::{
    echo::ask,
    plain,
    replica::{Pki, Replica, directory, port},
};

/// Two replicas with TLS, both connected.
async fn two() -> (Pki, [Replica; 2], Directory) {
    let pki = Pki::new();
    let replicas = ["a", "b"].map(|name| Replica::start(name, pki.options(name), port()));
    let urls = replicas.each_ref().map(|replica| replica.url("https"));
    let directory = directory(&urls, &pki.options("caller"));
    until_known(&directory, 2).await;
    (pki, replicas, directory)
}

/// How often each replica answers ten calls.
async fn turns(directory: &Directory) -> BTreeMap<String, usize> {
    let mut turns = BTreeMap::new();
    for _ in 0..10 {
        *turns
            .entry(ask(directory.channel("echo"), "who").await.unwrap())
            .or_default() += 1;
    }
    turns
}

/// Waits until so many replicas answer.
async fn until_known(directory: &Directory, count: usize) {
    let known = async {
        while turns(directory).await.len() != count {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), known)
        .await
        .expect("all replicas answer");
}

/// Four callers that never rest, for as long as `meanwhile` takes: what failed, and how many were answered.
async fn load(directory: &Directory, meanwhile: impl Future<Output = ()>) -> (Vec<Status>, usize) {
    let stop = tokio_util::sync::CancellationToken::new();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (channel, stop) = (directory.channel("echo"), stop.clone());
            tokio::spawn(async move {
                let (mut failed, mut answered) = (Vec::new(), 0);
                while !stop.is_cancelled() {
                    match ask(channel.clone(), "a").await {
                        Ok(_) => answered += 1,
                        Err(status) => failed.push(status),
                    }
                }
                (failed, answered)
            })
        })
        .collect();
    meanwhile.await;
    stop.cancel();
    let (mut failed, mut answered) = (Vec::new(), 0);
    for caller in callers {
        let one = caller.await.unwrap();
        failed.extend(one.0);
        answered += one.1;
    }
    (failed, answered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_take_turns() {
    let (_pki, _replicas, directory) = two().await;
    assert_eq!(
        turns(&directory).await,
        BTreeMap::from([("a".to_owned(), 5), ("b".to_owned(), 5)])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_when_a_replica_is_killed() {
    let (_pki, mut replicas, directory) = two().await;
    let meanwhile = async {
        sleep(Duration::from_millis(200)).await;
        replicas[0].kill();
        sleep(Duration::from_millis(500)).await;
    };
    let (failed, answered) = load(&directory, meanwhile).await;
    // Only what was under way there may fail: nobody knows whether it was done.
    assert!(failed.len() <= 4, "{failed:?}");
    assert!(
        failed.iter().all(|status| status.message().contains("was lost")),
        "{failed:?}"
    );
    assert!(answered > 100, "{answered}");
    assert_eq!(turns(&directory).await, BTreeMap::from([("b".to_owned(), 10)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_when_replicas_are_stopped_and_started_one_by_one() {
    let (pki, mut replicas, directory) = two().await;
    let meanwhile = async {
        for (index, name) in ["a", "b"].into_iter().enumerate() {
            sleep(Duration::from_millis(200)).await;
            replicas[index].stop();
            sleep(Duration::from_millis(500)).await;
            replicas[index].kill();
            let port = replicas[index].address.port();
            replicas[index] = Replica::start(name, pki.options(name), port);
            until_known(&directory, 2).await;
        }
    };
    let (failed, answered) = load(&directory, meanwhile).await;
    assert!(failed.is_empty(), "{failed:?}");
    assert!(answered > 100, "{answered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_comes_back_shortly_is_waited_for() {
    let port = port();
    let directory = directory(&[format!("http://127.0.0.1:{port}")], &plain());
    let call = tokio::spawn(ask(directory.channel("echo"), "who"));
    sleep(Duration::from_millis(20)).await;
    let _replica = Replica::start("late", plain(), port);
    assert_eq!(call.await.unwrap().unwrap(), "late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_been_done_is_not_done_again() {
    let (_pki, mut replicas, directory) = two().await;
    let before: Vec<_> = replicas
        .iter()
        .map(|one| one.taken.load(Ordering::SeqCst))
        .collect();
    let call = tokio::spawn(ask(directory.channel("echo"), "slow"));
    let taken_by = async {
        loop {
            let taken = |(one, before): (&Replica, &usize)| one.taken.load(Ordering::SeqCst) > *before;
            if let Some(index) = replicas.iter().zip(&before).position(taken) {
                return index;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let index = timeout(Duration::from_secs(5), taken_by).await.unwrap();
    replicas[index].kill();
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let other = 1 - index;
    assert_eq!(replicas[other].taken.load(Ordering::SeqCst), before[other]);
}

#[tokio::test]
async fn no_replica_at_all_is_told_with_the_reasons() {
    let urls = [port(), port()].map(|port| format!("http://127.0.0.1:{port}"));
    let status = ask(directory(&urls, &plain()).channel("echo"), "a")
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    for url in &urls {
        assert!(
            status.message().contains(url.trim_start_matches("http://")),
            "{status:?}"
        );
    }
    assert!(status.message().contains("'echo'"), "{status:?}");
}

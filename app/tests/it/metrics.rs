//! What `/metrics` tells of the engines' work.

use std::time::{Duration, Instant};

use crate::stoa::{Stoa, folder};

async fn metrics(stoa: &Stoa) -> String {
    stoa.look("/metrics").await.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_and_what_is_still_to_do_are_told_for_each_service() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    stoa.register("ada@example.com").await;
    let mut wanted = Vec::new();
    for service in crate::architecture::with_database() {
        for name in [
            "stoa_db_pool_wait_seconds_bucket",
            "stoa_jobs_ready",
            "stoa_jobs_dead",
            "stoa_outbox_events",
        ] {
            wanted.push(format!("{name}{{service=\"{service}\""));
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let text = metrics(&stoa).await;
        let missing: Vec<_> = wanted.iter().filter(|one| !text.contains(one.as_str())).collect();
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{missing:?} are not in\n{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(stoa.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_tells_of_its_own_services_alone() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve_only(
        &data_dir,
        &["--only", "auth"],
        &[("AUTH__ISSUER", "http://stoa.test")],
    );
    let text = metrics(&stoa).await;
    assert!(
        text.contains("service=\"auth\"") && !text.contains("service=\"users\""),
        "{text}"
    );
}

//! Start, memory and size of the program itself.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::{report::Report, server::Server};

/// Until threads that the start needed have ended, and the allocator has given back what it freed.
const SETTLED: Duration = Duration::from_secs(30);
/// For gateway, auth and users 45 MiB, and two for each further service.
const IDLE: f64 = 45.0 + 2.0 * 4.0;

pub(crate) async fn measure(stoa: &Path, report: &mut Report) -> Result<(), crate::Error> {
    let mut starts = Vec::new();
    for _ in 0..5 {
        let before = Instant::now();
        Server::start(stoa).await?;
        starts.push(before.elapsed());
    }
    starts.sort_unstable();
    let start = starts[starts.len() / 2].as_millis();
    report.bounded(
        "start to ready, empty folder",
        format!("{start} ms"),
        "median of 5".into(),
        "at most 300 ms",
        start <= 300,
    );

    let server = Server::start(stoa).await?;
    tokio::time::sleep(SETTLED).await;
    let memory = resident(server.id().ok_or("stoa is gone")?)?;
    report.bounded(
        "memory, idle",
        format!("{memory:.0} MiB"),
        "resident".into(),
        "at most 53 MiB",
        memory <= IDLE,
    );
    let size = fs::metadata(stoa)?.len() / (1024 * 1024);
    report.bounded(
        "release binary",
        format!("{size} MiB"),
        String::new(),
        "at most 60 MiB",
        size <= 60,
    );
    Ok(())
}

/// Resident memory, in MiB.
pub(crate) fn resident(process: u32) -> Result<f64, crate::Error> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .trim()
            .strip_suffix(" kB")?
            .trim()
            .parse::<f64>()
            .ok()
    });
    Ok(kib.ok_or("no VmRSS")? / 1024.0)
}

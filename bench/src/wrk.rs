//! wrk, run as a process of its own, and what it prints.

use std::time::Duration;

use tokio::process::Command;

/// What one run of wrk found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Requests answered in a second.
    pub(crate) rate: f64,
    /// 99th percentile of latency.
    pub(crate) p99: Duration,
}

/// What to send.
#[derive(Clone)]
pub(crate) struct Load<'a> {
    pub(crate) url: &'a str,
    pub(crate) connections: u32,
    pub(crate) seconds: u64,
    /// A script of `bench/wrk`, and what it is told by the environment.
    pub(crate) script: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
}

pub(crate) async fn run(load: &Load<'_>) -> Result<Run, crate::Error> {
    let mut command = Command::new("wrk");
    command.args(["--threads", "2", "--latency", "--timeout", "10s"]);
    command.arg("--connections").arg(load.connections.to_string());
    command.arg("--duration").arg(format!("{}s", load.seconds));
    if let Some(token) = load.token {
        command
            .arg("--header")
            .arg(format!("Authorization: Bearer {token}"));
    }
    if let Some(script) = load.script {
        command
            .arg("--script")
            .arg(format!("{}/wrk/{script}", env!("CARGO_MANIFEST_DIR")));
    }
    let output = command
        .arg(load.url)
        .output()
        .await
        .map_err(|e| format!("wrk cannot be run: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") {
        return Err(format!("{} was refused under load:\n{text}", load.url).into());
    }
    let rate = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
    let p99 = text
        .lines()
        .find_map(|line| time(line.trim().strip_prefix("99%")?.trim()));
    match (rate, p99) {
        (Some(rate), Some(p99)) => Ok(Run { rate, p99 }),
        _ => Err(format!("wrk said: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// `1.23ms`, `640.00us`, `1.10s`.
fn time(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * seconds))
}

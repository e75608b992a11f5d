//! Start, memory and size of the program itself.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::process::{Child, Command};

use crate::report::Report;

/// A serving stoa with limits too high to refuse; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start(stoa: &Path) -> Result<Self, crate::Error> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(stoa);
        for key in [
            "GATEWAY__RATE_LIMIT__PER_ADDRESS",
            "GATEWAY__RATE_LIMIT__PER_USER",
            "AUTH__RATE_LIMIT__REGISTER_PER_ADDRESS",
            "AUTH__RATE_LIMIT__LOGIN_PER_ADDRESS",
            "AUTH__RATE_LIMIT__LOGIN_PER_ACCOUNT",
        ] {
            command.env(format!("STOA_{key}"), "1000000/s");
        }
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // Written and thrown away: a disk that writes the access log back would disturb what is measured next.
        let child = command
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["serve", "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let url = format!("http://{address}");
        let ready = format!("{url}/health/ready");
        for _ in 0..5000 {
            if reqwest::get(&ready)
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Self {
            child,
            url,
            _folder: folder,
        })
    }

    /// Resident memory, in MiB.
    fn memory(&self) -> Result<f64, crate::Error> {
        let pid = self.child.id().ok_or("stoa is gone")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
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
}

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
    tokio::time::sleep(Duration::from_secs(3)).await;
    let memory = server.memory()?;
    report.bounded(
        "memory, idle",
        format!("{memory:.0} MiB"),
        "resident".into(),
        "at most 60 MiB",
        memory <= 60.0,
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

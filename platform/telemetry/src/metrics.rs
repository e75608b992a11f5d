//! Metrics in Prometheus' text format.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{TelemetryError, process};

/// Of seconds: from what a read from memory takes to what a caller gives up at.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const BYTES: [f64; 7] = [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];
/// How often what was measured is folded into its buckets; until then it takes up memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process' metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    /// The upkeep ends when the last clone is gone.
    _upkeep: Arc<mpsc::Sender<()>>,
}

impl Metrics {
    /// Makes the recorder behind the `metrics` crate's macros. Histograms are of seconds, unless their names end in
    /// `_bytes`.
    pub(crate) fn install() -> Result<Self, TelemetryError> {
        let failed = |e: &dyn std::fmt::Display| TelemetryError(format!("metrics cannot be set up: {e}"));
        let handle = PrometheusBuilder::new()
            .set_buckets(&SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES))
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|e| failed(&e))?;
        let upkeep = keep_up(handle.clone()).map_err(|e| failed(&e))?;
        Ok(Self {
            handle,
            _upkeep: Arc::new(upkeep),
        })
    }

    /// All metrics as they are now, the process' own included.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        process::render(&mut text);
        text
    }
}

/// Says what metrics tell, for whoever reads them: pairs of a name and a sentence.
pub fn describe(metrics: &[(&'static str, &'static str)]) {
    for (name, help) in metrics {
        // The text is kept by the name alone, whatever the kind.
        metrics::describe_gauge!(*name, *help);
    }
}

/// Folds samples now and then, until the sender is dropped.
fn keep_up(handle: PrometheusHandle) -> std::io::Result<mpsc::Sender<()>> {
    let (sender, stop) = mpsc::channel();
    thread::Builder::new()
        .name("metrics-upkeep".to_owned())
        .spawn(move || {
            while stop.recv_timeout(UPKEEP) == Err(mpsc::RecvTimeoutError::Timeout) {
                handle.run_upkeep();
            }
        })?;
    Ok(sender)
}

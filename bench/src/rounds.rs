//! Loads that are measured in turn, round by round, so that whatever else the machine does meets them all alike.

use crate::wrk::{self, Load, Run};

/// Rounds; the median counts.
pub(crate) const ROUNDS: usize = 5;

/// Runs each of the loads once a round. The runs of each, in the order of the rounds.
pub(crate) async fn in_turn<const N: usize>(loads: [&Load<'_>; N]) -> Result<[Vec<Run>; N], crate::Error> {
    for load in loads {
        // Connections are made, tokens seen, code paged in.
        wrk::run(&Load {
            seconds: 1,
            ..load.clone()
        })
        .await?;
    }
    let mut runs = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (load, runs) in loads.iter().zip(&mut runs) {
            runs.push(wrk::run(load).await?);
        }
    }
    Ok(runs)
}

/// The median of the rates.
pub(crate) fn rate(runs: &[Run]) -> f64 {
    median(runs.iter().map(|run| run.rate))
}

/// How many times the other's rate: the median over the rounds, as neighbours in time tell the most.
pub(crate) fn ratio(runs: &[Run], other: &[Run]) -> f64 {
    median(runs.iter().zip(other).map(|(run, other)| run.rate / other.rate))
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

//! Many at once, and yet each key in order.

use std::collections::HashMap;

use crate::store::OutboxRow;

/// Cuts a batch into waves that hold each key once. A wave is sent without waiting; the next one only when the whole of it is
/// confirmed. So whatever a broken connection swallows of a wave, no event is on the broker before the one it follows.
pub(super) fn waves(events: &[OutboxRow]) -> Vec<Vec<&OutboxRow>> {
    let mut waves: Vec<Vec<&OutboxRow>> = Vec::new();
    let mut before: HashMap<&str, usize> = HashMap::with_capacity(events.len());
    for event in events {
        let wave = before.entry(&event.key).or_default();
        if *wave == waves.len() {
            waves.push(Vec::new());
        }
        if let Some(there) = waves.get_mut(*wave) {
            there.push(event);
        }
        *wave += 1;
    }
    waves
}

#[cfg(test)]
mod tests {
    use stoa_kernel::{Clock, Id};

    use super::*;

    #[test]
    fn a_key_is_once_in_each_wave_and_in_order_through_them() {
        let clock = Clock::system();
        let events: Vec<_> = ["a", "b", "a", "c", "a", "b"]
            .iter()
            .enumerate()
            .map(|(at, key)| OutboxRow {
                id: Id::new(&clock),
                name: "thing.made".to_owned(),
                key: (*key).to_owned(),
                data: at.to_string(),
                time: clock.now(),
                traceparent: None,
            })
            .collect();
        let waves: Vec<Vec<&str>> = waves(&events)
            .iter()
            .map(|wave| wave.iter().map(|event| event.data.as_str()).collect())
            .collect();
        assert_eq!(waves, [vec!["0", "1", "3"], vec!["2", "5"], vec!["4"]]);
    }
}

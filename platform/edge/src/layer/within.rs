//! A bound on time that costs nothing to what is ready at once.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::{task::unconstrained, time::sleep};

/// What the future comes to, or none if that takes longer than `patience`. Only one that has to wait has a timer made.
pub(super) async fn within<F: Future>(patience: Duration, mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut timer = pin!(None);
    poll_fn(move |cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if timer.is_none() {
            // However much the future does at each turn, its time ends.
            timer.set(Some(unconstrained(sleep(patience))));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_ready_is_never_too_late_and_what_never_is_ends() {
        assert_eq!(within(Duration::ZERO, pin!(async { 7 })).await, Some(7));
        assert_eq!(
            within(Duration::from_millis(1), pin!(std::future::pending::<()>())).await,
            None
        );
        let waits = async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(within(Duration::from_secs(60), pin!(waits)).await, Some(7));
    }
}

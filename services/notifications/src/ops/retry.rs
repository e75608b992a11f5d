//! What could not be sent for the moment: when it is tried again, and when no more.

use std::time::Duration;

use stoa_events::JobError;
use stoa_kernel::Timestamp;
use stoa_service::Channel;

use super::send::{Attempt, Ended};
use crate::{
    ctx::Ctx,
    store::{
        deliveries::DeliveryId,
        sends::{self, SentTo, state},
        steps,
    },
};

/// How long after a send was due providers may ask to wait. Quiet hours, which come before, end within a day.
const PATIENCE: Duration = Duration::from_secs(48 * 3600);

/// Writes down an attempt that failed and may be made again.
pub(crate) async fn failed(
    ctx: &Ctx,
    (deliveries, channel): (&[DeliveryId], Channel),
    attempt: Attempt,
    why: &str,
    to: Option<&SentTo>,
) -> Result<JobError, JobError> {
    let number = attempt.number;
    let (code, words) = if attempt.is_last {
        let words = format!("Attempt {number} failed, and no other follows: {why}");
        ("given_up", words)
    } else {
        let words = format!("Attempt {number} failed; it is tried again later: {why}");
        ("attempt_failed", words)
    };
    let mut tx = ctx.db.begin().await?;
    for delivery in deliveries {
        let state = attempt.is_last.then_some(state::FAILED);
        if sends::update(&mut tx, *delivery, channel, (state, code), to).await? {
            steps::insert(&mut tx, *delivery, channel, code, &words).await?;
        }
    }
    tx.commit().await?;
    Ok(JobError::Retry(why.to_owned()))
}

/// The provider asks to wait, or too much else is being sent, which is no failure. It may be so for two days.
pub(crate) fn put_off(ctx: &Ctx, attempt: Attempt, wait: Duration, why: &str) -> Ended {
    let at = ctx.clock.after(wait);
    let last = attempt.since.checked_add(PATIENCE).unwrap_or(Timestamp::MAX);
    if at > last {
        let words = format!("Not sent: for two days it could not be, and no attempt follows: {why}");
        return Ended::failed("given_up", words);
    }
    Ended {
        state: state::WAITING,
        again_at: Some(at),
        ..Ended::skipped("put_off", format!("To be sent at {at}: {why}"))
    }
}

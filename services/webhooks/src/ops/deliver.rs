//! One attempt to send one message. No transaction is open while it is sent.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use stoa_events::{Done, JobError, TxExt as _, Work};
use stoa_kernel::Timestamp;
use stoa_outbound::{
    HeaderMap, HeaderName, HeaderValue, Method, OutboundError, Request, Response, StatusCode, header,
};

use super::{body, cause, disable::disable, keys};
use crate::{
    ctx::Ctx,
    error::Error,
    events::DisabledReason,
    headers,
    jobs::{Parcel, TryAgain},
    plan,
    store::{
        attempts::{self, AttemptRow},
        deliveries::{self, DELIVERED, DeliveryRow, FAILED, PENDING},
        endpoints::{self, EndpointRow},
        messages::{self, MessageRow},
    },
};

/// Bytes of an answer that are kept.
const RESPONSE: usize = 16 * 1024;
/// How long is waited for them. The status alone decides, and it is there by then.
const RESPONSE_TIME: Duration = Duration::from_secs(1);
/// How often it is looked whether the first message of an ordered endpoint is due: somebody may ask for it before its time.
const LOOK: Duration = Duration::from_secs(60);
/// When it is tried again where all turns of outbound requests were taken.
const BUSY: Duration = Duration::from_secs(5);
/// An answer that took longer than this is a slow one.
const QUICK: Duration = Duration::from_secs(2);
const USER_AGENT: &str = concat!("Stoa-Webhooks/", env!("CARGO_PKG_VERSION"));

/// All that belongs to one attempt.
struct Attempt {
    parcel: Parcel,
    endpoint: EndpointRow,
    delivery: DeliveryRow,
    message: MessageRow,
}

/// How it ended.
struct Outcome {
    answer: Result<Response, OutboundError>,
    started_at: Timestamp,
    took: Duration,
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.answer
            .as_ref()
            .is_ok_and(|answer| answer.status.is_success())
    }

    fn is_gone(&self) -> bool {
        self.answer
            .as_ref()
            .is_ok_and(|answer| answer.status == StatusCode::GONE)
    }

    /// What went wrong, in words.
    fn error(&self) -> Option<String> {
        match &self.answer {
            Ok(answer) if answer.status.is_success() => None,
            Ok(answer) => Some(format!("the server answered {}", answer.status.as_u16())),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Sends the message, and notes what came of it. `T` is the job of any queue.
pub(crate) async fn deliver<T: DeserializeOwned>(
    ctx: &Ctx,
    parcel: Parcel,
    work: Work<T>,
) -> Result<Done, JobError> {
    let Some(attempt) = load(ctx, parcel).await? else {
        return work.done().await;
    };
    let is_test = attempt.delivery.cause == cause::TEST;
    if !attempt.endpoint.is_enabled && !is_test {
        let mut tx = work.begin().await?;
        deliveries::give_up(&mut tx, parcel, "the endpoint was disabled").await?;
        return work.commit(tx).await;
    }
    let now = ctx.clock.now();
    if let Some(next_at) = attempt.delivery.next_at.filter(|at| *at > now) {
        let tx = work.begin().await?;
        return work.again(tx, next_at.min(ctx.clock.after(LOOK))).await;
    }
    if let Some(rate) = attempt.endpoint.rate
        && let Some(wait) = ctx.wait_for_turn(parcel.endpoint_id, rate).await
    {
        let tx = work.begin().await?;
        return work.again(tx, ctx.clock.after(wait)).await;
    }
    let Some(outcome) = send(ctx, &attempt).await? else {
        let tx = work.begin().await?;
        return work.again(tx, ctx.clock.after(BUSY)).await;
    };
    note(ctx, &attempt, &outcome, work).await
}

/// None if there is nothing to be sent any more: the endpoint, the message or the delivery is gone, or another series has begun.
async fn load(ctx: &Ctx, parcel: Parcel) -> Result<Option<Attempt>, Error> {
    let Some(delivery) = deliveries::get(&ctx.db, parcel.endpoint_id, parcel.message_id).await? else {
        return Ok(None);
    };
    if delivery.series != parcel.series || delivery.state != PENDING {
        return Ok(None);
    }
    let endpoint = endpoints::get(&ctx.db, parcel.endpoint_id).await?;
    let message = messages::get(&ctx.db, parcel.message_id).await?;
    Ok(endpoint.zip(message).map(|(endpoint, message)| Attempt {
        parcel,
        endpoint,
        delivery,
        message,
    }))
}

/// None if it had no turn, which says nothing about the endpoint.
async fn send(ctx: &Ctx, attempt: &Attempt) -> Result<Option<Outcome>, Error> {
    let body = body::of(&attempt.message)?;
    let headers = signed(ctx, attempt, body.as_bytes()).await?;
    let (started_at, begun) = (ctx.clock.now(), Instant::now());
    let request = Request {
        method: Method::POST,
        url: &attempt.endpoint.url,
        headers,
        body: Bytes::from(body),
        timeout: ctx.config.timeout.0,
        max_body: RESPONSE,
    };
    let answer = ctx.outbound.send_for_status(request, RESPONSE_TIME).await;
    if matches!(answer, Err(OutboundError::Busy)) {
        return Ok(None);
    }
    let outcome = Outcome {
        answer,
        started_at,
        took: begun.elapsed(),
    };
    let ended = if outcome.is_good() { "delivered" } else { "failed" };
    metrics::counter!("stoa_webhooks_attempts_total", "outcome" => ended).increment(1);
    metrics::histogram!("stoa_webhooks_attempt_seconds").record(outcome.took.as_secs_f64());
    Ok(Some(outcome))
}

/// The headers: the owner's, and over them ours.
async fn signed(ctx: &Ctx, attempt: &Attempt, body: &[u8]) -> Result<HeaderMap, Error> {
    let mut map = headers::as_map(&keys::open_headers(ctx, &attempt.endpoint)?);
    let (id, seconds) = (body::webhook_id(attempt.message.id), ctx.clock.now().as_second());
    let mut signatures = Vec::new();
    for (_, key) in keys::current(ctx, attempt.endpoint.id).await? {
        signatures.push(key.sign(&id, seconds, body).map_err(Error::Internal)?);
    }
    let ours = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::USER_AGENT, USER_AGENT.to_owned()),
        (HeaderName::from_static("webhook-id"), id),
        (HeaderName::from_static("webhook-timestamp"), seconds.to_string()),
        (HeaderName::from_static("webhook-signature"), signatures.join(" ")),
    ];
    for (name, value) in ours {
        let value = HeaderValue::from_str(&value).map_err(|e| Error::Internal(e.to_string()))?;
        map.insert(name, value);
    }
    Ok(map)
}

/// Notes the attempt, what follows from it for the message, and how the endpoint does; all in the transaction that ends the job.
async fn note<T: DeserializeOwned>(
    ctx: &Ctx,
    attempt: &Attempt,
    outcome: &Outcome,
    work: Work<T>,
) -> Result<Done, JobError> {
    let (endpoint, is_test) = (&attempt.endpoint, attempt.delivery.cause == cause::TEST);
    let error = outcome.error();
    let is_bad = !outcome.is_good() && !outcome.is_gone() && !is_test;
    // First of all: it may take its time, and what follows is by the clock as it is then.
    let for_long = is_bad && fails_for_long(ctx, endpoint).await;
    let next = if outcome.is_good() || outcome.is_gone() || is_test {
        None
    } else {
        let answer = outcome.answer.as_ref().ok();
        let asked = answer.and_then(|answer| plan::retry_after(&answer.headers, ctx.clock.now()));
        plan::pause(attempt.delivery.attempts + 1, asked).map(|pause| ctx.clock.after(pause))
    };
    let state = match next {
        _ if outcome.is_good() => DELIVERED,
        Some(_) => PENDING,
        None => FAILED,
    };
    let mut tx = work.begin().await?;
    if !deliveries::lock(&mut tx, attempt.parcel).await? {
        // The endpoint was deleted meanwhile, or whom the message concerns was erased: nothing of it is kept.
        return work.commit(tx).await;
    }
    attempts::insert(&mut tx, endpoint.id, &row(ctx, attempt, outcome)).await?;
    let is_current = deliveries::note(&mut tx, attempt.parcel, state, next, error.as_deref()).await?;
    if !is_test {
        note_health(&mut tx, endpoint, outcome, for_long).await?;
    }
    match next.filter(|_| is_current) {
        None => work.commit(tx).await,
        // Those behind it wait with it.
        Some(at) if endpoint.is_ordered => work.again(tx, at.min(ctx.clock.after(LOOK))).await,
        Some(at) => {
            let parcel = attempt.parcel;
            tx.enqueue_at(&TryAgain { parcel }, at).await?;
            work.commit(tx).await
        }
    }
}

fn row(ctx: &Ctx, attempt: &Attempt, outcome: &Outcome) -> AttemptRow {
    let answer = outcome.answer.as_ref().ok();
    let text = answer.map(|answer| String::from_utf8_lossy(&answer.body).replace('\0', "\u{fffd}"));
    AttemptRow {
        id: stoa_kernel::Id::new(&ctx.clock),
        message_id: attempt.message.id,
        cause: attempt.delivery.cause.clone(),
        url: attempt.endpoint.url.clone(),
        succeeded: outcome.is_good(),
        status: answer.map(|answer| u32::from(answer.status.as_u16())),
        error: outcome.answer.as_ref().err().map(ToString::to_string),
        response: text.unwrap_or_default(),
        is_truncated: answer.is_some_and(|answer| answer.truncated),
        started_at: outcome.started_at,
        duration_ms: i64::try_from(outcome.took.as_millis()).unwrap_or(i64::MAX),
    }
}

/// Whether every attempt has failed for so long that the endpoint is disabled. A jump of the clock that does not last is not believed.
async fn fails_for_long(ctx: &Ctx, endpoint: &EndpointRow) -> bool {
    let Some(since) = endpoint.failing_since else {
        return false;
    };
    let most =
        jiff::SignedDuration::try_from(ctx.config.disable_after.0).unwrap_or(jiff::SignedDuration::MAX);
    let is_over = |now: Timestamp| now.duration_since(since) >= most;
    is_over(ctx.clock.now()) && is_over(ctx.db.steady_now().await)
}

/// Notes what is different from before; nothing, most of the time.
async fn note_health(
    tx: &mut stoa_db::Tx,
    endpoint: &EndpointRow,
    outcome: &Outcome,
    for_long: bool,
) -> Result<(), Error> {
    if outcome.is_good() {
        let quick = outcome.took <= QUICK;
        if endpoint.failing_since.is_some() || endpoint.is_quick != quick {
            endpoints::succeeded(tx, endpoint.id, quick).await?;
        }
        return Ok(());
    }
    if outcome.is_gone() {
        return disable(tx, endpoint, DisabledReason::Gone, None).await;
    }
    let Some(since) = endpoint.failing_since else {
        return Ok(endpoints::failed(tx, endpoint.id, outcome.started_at).await?);
    };
    if for_long {
        disable(tx, endpoint, DisabledReason::Failing, Some(since)).await?;
    } else if endpoint.is_quick {
        endpoints::failed(tx, endpoint.id, since).await?;
    }
    Ok(())
}

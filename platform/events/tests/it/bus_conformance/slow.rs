//! A subscriber that takes its time holds up nobody, and misses nothing.

use std::sync::Arc;

use stoa_events::{Subscription, Work};
use tokio::sync::Semaphore;

use super::fixture::{Fixture, all_once_in_order, count, emit_many, made};
use crate::pair::{ThingMade, write_down};

async fn a_slow_subscriber_holds_up_no_other_and_misses_nothing(fixture: Arc<Fixture>) {
    let source = fixture.db("source").await;
    let (quick, slow) = (fixture.db("sink").await, fixture.db("slow").await);
    let gate = Arc::new(Semaphore::new(0));
    let wait = {
        let gate = Arc::clone(&gate);
        move |work: Work<ThingMade>| {
            let gate = Arc::clone(&gate);
            async move {
                drop(gate.acquire().await.unwrap());
                write_down(work).await
            }
        }
    };
    let slowly = vec![Subscription::new("slow.write_down", wait)];
    let _quick = fixture.start(&quick, &fixture.bus().await, made()).await;
    let _slow = fixture.start(&slow, &fixture.bus().await, slowly).await;
    let _source = fixture.start(&source, &fixture.bus().await, vec![]).await;
    emit_many(&source, 0, 120).await;
    all_once_in_order(&quick, 120).await;
    assert_eq!(count(&slow).await, 0, "it has not been let through");
    gate.add_permits(1);
    all_once_in_order(&slow, 120).await;
}

conformance!(a_slow_subscriber_holds_up_no_other_and_misses_nothing on local, nats, rabbitmq);

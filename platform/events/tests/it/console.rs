//! What an operator can do about dead letters.

use stoa_db::db_test;
use stoa_events::{JobError, JobHandler, Work, dead_letters, drop_dead, stats};

use crate::pair::{Note, Pair, Urgent, until};

#[db_test]
async fn dead_letters_are_listed_by_queue_and_deleted_one_by_one(pair: Pair) {
    let jobs = vec![
        JobHandler::new(|_: Work<Note>| async { Err(JobError::Refused("no such mailbox".to_owned())) }),
        JobHandler::new(|_: Work<Urgent>| async { Err(JobError::Fatal("it is broken".to_owned())) }),
    ];
    let worker = pair.start_sink(vec![], jobs, vec![]).await;
    pair.enqueue(&Note { number: 1 }).await;
    pair.enqueue(&Urgent { number: 2 }).await;
    until("both are dead", async || {
        stats(&pair.sink).await.unwrap().dead == 2
    })
    .await;
    drop(worker);
    let notes = dead_letters(&pair.sink, Some("sink.note"), 10).await.unwrap();
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].last_error.as_deref(), Some("no such mailbox"));
    assert_eq!(notes[0].attempts, 1);
    assert!(drop_dead(&pair.sink, "sink.note", notes[0].id).await.unwrap());
    assert!(!drop_dead(&pair.sink, "sink.note", notes[0].id).await.unwrap());
    assert!(!drop_dead(&pair.sink, "sink.urgent", notes[0].id).await.unwrap());
    let left = dead_letters(&pair.sink, None, 10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].queue, "sink.urgent");
}

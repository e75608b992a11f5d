//! What a service does and its descriptor does not list, and what it leaves undone.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use stoa_db::{Db, Engine};
use stoa_events::{Job, TxExt as _};
use stoa_http::{Anyone, Code, Failure, Result, endpoints};
use stoa_kernel::Id;
use stoa_service::{Descriptor, Env, Service};
use stoa_testkit::{TestApp, assert_problem};

use crate::service::NoteTaken;

const CARELESS: Descriptor = Descriptor::named("careless");

#[derive(Serialize, Deserialize, Job)]
#[job(name = "careless.nobody_does_it")]
struct NobodyDoesIt {}

const UNLISTED: Code = Code {
    code: "unlisted",
    status: 409,
    title: "In no list",
};

#[utoipa::path(get, path = "/code", responses((status = 200)))]
async fn code(_: Anyone) -> Result<()> {
    Err(Failure::new(UNLISTED))
}

#[utoipa::path(get, path = "/event", responses((status = 200)))]
async fn event(_: Anyone, State(db): State<Db>) -> Result<()> {
    let mut tx = db.begin().await?;
    let note = NoteTaken {
        user_id: Id::new(tx.clock()),
        text: String::new(),
    };
    tx.emit(&note).await?;
    Ok(tx.commit().await?)
}

fn careless(env: Env) -> Service {
    Service {
        name: "careless",
        router: endpoints!(code, event).with_state(env.db),
        rpc: None,
        subscriptions: Vec::new(),
        jobs: Vec::new(),
        schedules: Vec::new(),
        start: None,
    }
}

async fn app() -> TestApp {
    TestApp::builder()
        .service(&CARELESS, careless)
        .start(Engine::Sqlite)
        .await
}

#[tokio::test]
#[should_panic(expected = "no service's `codes` list 'unlisted'")]
async fn a_code_that_no_descriptor_lists_fails_the_test() {
    assert_problem(&app().await.get("/code").send().await, 409, "unlisted", &[]);
}

#[tokio::test]
#[should_panic(expected = "service careless emits 'note.taken', which its descriptor's `emits` lacks")]
async fn an_event_that_the_descriptor_lacks_fails_the_test() {
    let app = app().await;
    app.get("/event").send().await.expect(200);
    app.settle().await;
}

#[tokio::test]
async fn what_does_not_come_to_rest_is_named() {
    let app = app().await;
    let mut tx = app.db().begin().await.unwrap();
    tx.enqueue(&NobodyDoesIt {}).await.unwrap();
    tx.commit().await.unwrap();
    let left = app.unfinished().await;
    assert_eq!(
        left,
        ["careless: queue careless.nobody_does_it has no handler; jobs: 1"]
    );
}

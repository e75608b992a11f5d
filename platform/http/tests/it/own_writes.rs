//! People read their own writes, whichever process they reach, while a replica answers what they did not write.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    middleware::from_fn_with_state,
    routing::get,
};
use http::Method;
use http_body_util::BodyExt;
use stoa_cache::Cache;
use stoa_db::{Db, DbOptions};
use stoa_engines::Postgres;
use stoa_http::{OwnWrites, read_own_writes};
use stoa_kernel::{Clock, Id, Principal, PrincipalKind};
use tower::ServiceExt;

struct World {
    clock: Clock,
    cache: Cache,
    primary: Postgres,
    replica: Postgres,
}

impl World {
    /// One process of a service.
    async fn process(&self) -> Router {
        let db = Db::open(DbOptions {
            replica_url: Some(self.replica.url()),
            clock: self.clock.clone(),
            ..DbOptions::new(self.primary.url(), "test")
        })
        .await
        .unwrap();
        db.execute("CREATE TABLE IF NOT EXISTS things (id BIGINT)", &[])
            .await
            .unwrap();
        let count = |State(db): State<Db>| async move {
            let from = "SELECT CASE WHEN pg_is_in_recovery() THEN 'replica ' ELSE 'primary ' END || COUNT(*) FROM things";
            db.fetch_one::<String>(from, &[]).await.unwrap()
        };
        let add = |State(db): State<Db>| async move {
            db.execute("INSERT INTO things (id) VALUES (1)", &[])
                .await
                .unwrap();
        };
        let writes = OwnWrites::new(self.cache.clone(), self.clock.clone());
        Router::new()
            .route("/things", get(count).post(add))
            .layer(from_fn_with_state(writes, read_own_writes))
            .with_state(db)
    }

    fn somebody(&self) -> Arc<Principal> {
        Arc::new(Principal {
            session_id: Some(Id::new(&self.clock)),
            ..Principal::new(PrincipalKind::User, Id::new(&self.clock))
        })
    }
}

async fn ask(process: &Router, method: Method, who: Option<&Arc<Principal>>) -> String {
    let mut process = process.clone();
    if let Some(who) = who {
        process = process.layer(Extension(Arc::clone(who)));
    }
    let request = Request::builder()
        .method(method)
        .uri("/things")
        .body(Body::empty())
        .unwrap();
    let body = process.oneshot(request).await.unwrap().into_body();
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The answer once it is that; the replica takes a moment.
async fn comes_to(process: &Router, who: &Arc<Principal>, expected: &str) {
    for _ in 0..200 {
        if ask(process, Method::GET, Some(who)).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ask(process, Method::GET, Some(who)).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wrote_reads_it_in_every_process_and_others_read_from_the_replica() {
    let primary = Postgres::start();
    let replica = primary.replica();
    let world = World {
        clock: Clock::adjustable(),
        cache: Cache::local(1024 * 1024),
        primary,
        replica,
    };
    let (one, other) = (world.process().await, world.process().await);
    let (ada, grace) = (world.somebody(), world.somebody());
    assert_eq!(
        ask(&one, Method::GET, Some(&ada)).await,
        "primary 0",
        "whoever has just signed in wrote by that"
    );
    world.clock.advance(Duration::from_secs(20));
    for process in [&one, &other] {
        comes_to(process, &ada, "replica 0").await;
    }
    assert_eq!(ask(&one, Method::GET, None).await, "primary 0", "not signed in");

    world.replica.sql("SELECT pg_wal_replay_pause()");
    ask(&one, Method::POST, Some(&ada)).await;
    for process in [&one, &other] {
        assert_eq!(ask(process, Method::GET, Some(&ada)).await, "primary 1");
        assert_eq!(ask(process, Method::GET, Some(&grace)).await, "replica 0");
    }
    // However long it takes: the replica does not have it.
    world.clock.advance(Duration::from_secs(15));
    assert_eq!(ask(&other, Method::GET, Some(&ada)).await, "primary 1");
    // By now the write may be forgotten: a replica so far behind is asked by nobody.
    world.clock.advance(Duration::from_secs(120));
    for who in [&ada, &grace] {
        assert_eq!(ask(&other, Method::GET, Some(who)).await, "primary 1");
    }
    world.replica.sql("SELECT pg_wal_replay_resume()");
    comes_to(&one, &ada, "replica 1").await;
    comes_to(&other, &grace, "replica 1").await;
}

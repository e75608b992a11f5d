//! Each engine starts, stops, and comes back with what it was given.

use std::net::TcpStream;

use stoa_engines::{Nats, PgBouncer, Postgres, Rabbit, Redis, RedisCluster, S3};

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn nats_comes_back_on_its_port() {
    let mut nats = Nats::start();
    assert!(listens(nats.port()));
    nats.stop();
    assert!(!listens(nats.port()));
    nats.start_again();
    assert!(listens(nats.port()));
}

#[test]
fn rabbit_comes_back_on_its_port() {
    let mut rabbit = Rabbit::start();
    rabbit.kill();
    assert!(!listens(rabbit.port()));
    rabbit.start_again();
    assert!(listens(rabbit.port()));
    rabbit.stop();
}

#[test]
fn postgres_keeps_what_was_committed() {
    let mut postgres = Postgres::start();
    postgres.sql("CREATE TABLE kept (n INT)");
    postgres.sql("INSERT INTO kept VALUES (7)");
    postgres.kill();
    postgres.start_again();
    assert_eq!(postgres.sql("SELECT n FROM kept").trim(), "7");
    let replica = postgres.replica();
    assert_eq!(replica.sql("SELECT pg_is_in_recovery()").trim(), "t");
    let pooler = PgBouncer::start(&postgres);
    assert!(listens(pooler.port()));
}

#[test]
fn redis_starts_alone_and_in_a_cluster() {
    let redis = Redis::start();
    assert!(listens(redis.port()));
    let mut cluster = RedisCluster::start();
    cluster.kill();
    cluster.start_again();
    assert!(cluster.url().starts_with("redis+cluster://127.0.0.1:"));
}

#[test]
fn s3_makes_buckets() {
    S3::start().make_bucket("another");
}

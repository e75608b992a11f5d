//! Values come back as they went, and are never read as SQL.

use jiff::Timestamp;
use proptest::prelude::*;
use stoa_db::{Db, Engine, Error, FromRow, Json, ToValue, db_test, testing::TestDatabase};
use stoa_kernel::{Clock, Id, UserId, UserTag};
use uuid::Uuid;

#[derive(Debug, PartialEq, FromRow)]
struct Thing {
    id: UserId,
    name: Option<String>,
    size: i64,
    weight: f64,
    sound: bool,
    #[row(rename = "raw_bytes")]
    bytes: Vec<u8>,
    made_at: Timestamp,
}

const TABLE: &str = "CREATE TABLE things (id UUID PRIMARY KEY, name TEXT, size BIGINT NOT NULL, weight DOUBLE PRECISION NOT NULL, \
     sound BOOLEAN NOT NULL, raw_bytes BYTEA NOT NULL, made_at TIMESTAMPTZ NOT NULL)";

async fn round_trip(db: &Db, thing: &Thing) -> Thing {
    let sql = "INSERT INTO things (id, name, size, weight, sound, raw_bytes, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Thing {
        id,
        name,
        size,
        weight,
        sound,
        bytes,
        made_at,
    } = thing;
    db.execute(sql, &[id, name, size, weight, sound, bytes, made_at])
        .await
        .unwrap();
    // In another order than the struct's, by name.
    db.fetch_one(
        "SELECT made_at, raw_bytes, sound, weight, size, name, id FROM things WHERE id = $1",
        &[id],
    )
    .await
    .unwrap()
}

fn any_thing() -> impl Strategy<Value = Thing> {
    let text = prop::option::of("[^\u{0}]{0,40}");
    let time = -60_000_000_000_000_000_i64..200_000_000_000_000_000;
    let weight = prop::num::f64::NORMAL | prop::num::f64::ZERO;
    (
        any::<u128>(),
        text,
        any::<i64>(),
        weight,
        any::<bool>(),
        any::<Vec<u8>>(),
        time,
    )
        .prop_map(|(id, name, size, weight, sound, bytes, micros)| Thing {
            id: Id::from_uuid(Uuid::from_u128(id)),
            name,
            size,
            weight,
            sound,
            bytes,
            made_at: Timestamp::from_microsecond(micros).unwrap(),
        })
}

fn every_value_comes_back(engine: Engine) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (place, db) = runtime.block_on(async {
        let place = TestDatabase::new(engine);
        let db = Db::open(place.options("test")).await.unwrap();
        db.execute(TABLE, &[]).await.unwrap();
        (place, db)
    });
    proptest!(ProptestConfig::with_cases(64), |(thing in any_thing())| {
        prop_assert_eq!(&runtime.block_on(round_trip(&db, &thing)), &thing);
    });
    runtime.block_on(place.remove());
}

#[test]
fn every_value_comes_back_from_sqlite() {
    every_value_comes_back(Engine::Sqlite);
}

#[test]
fn every_value_comes_back_from_postgres() {
    every_value_comes_back(Engine::Postgres);
}

#[db_test]
async fn a_value_is_never_read_as_sql(db: Db) {
    db.execute(TABLE, &[]).await.unwrap();
    for name in [
        "'; DROP TABLE things; --",
        "\" OR 1=1",
        "$1",
        "?1",
        ":x",
        "\\",
        "%_",
        "💥",
        "a'b\"c`d",
        "\u{202e}",
        "",
    ] {
        let thing = Thing {
            id: Id::<UserTag>::new(&Clock::system()),
            name: Some(name.to_owned()),
            size: 0,
            weight: 0.0,
            sound: false,
            bytes: name.as_bytes().to_vec(),
            made_at: Clock::system().now(),
        };
        assert_eq!(round_trip(&db, &thing).await, thing);
        let found: Vec<String> = db
            .fetch_all("SELECT name FROM things WHERE name = $1", &[&name])
            .await
            .unwrap();
        assert_eq!(found, [name]);
    }
}

#[db_test]
async fn parameters_count_by_number_and_not_by_place(db: Db) {
    let row: (String, String, String) = db
        .fetch_one(
            "SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT)",
            &[&"first", &"second"],
        )
        .await
        .unwrap();
    assert_eq!(row, ("second".into(), "first".into(), "second".into()));
}

#[db_test]
async fn many_parameters_count_by_number_as_well(db: Db) {
    let texts: Vec<String> = (1..=40).map(|number| format!("number {number}")).collect();
    let params: Vec<&dyn ToValue> = texts.iter().map(|text| text as &dyn ToValue).collect();
    let forwards: Vec<_> = (1..=40).collect();
    let backwards: Vec<_> = forwards.iter().rev().copied().collect();
    for order in [forwards, backwards] {
        let named: Vec<_> = order
            .iter()
            .map(|number| format!("CAST(${number} AS TEXT)"))
            .collect();
        // The first is no parameter.
        let sql = format!("SELECT '$1' || {}", named.join(" || '|' || "));
        let found: String = db.fetch_one(&sql, &params).await.unwrap();
        let wanted: Vec<_> = order.iter().map(|number| format!("number {number}")).collect();
        assert_eq!(found, format!("$1{}", wanted.join("|")));
    }
}

#[db_test]
async fn too_many_and_too_few_parameters_are_errors(db: Db) {
    let sql = "SELECT CAST($1 AS TEXT)";
    assert!(matches!(
        db.fetch_one::<String>(sql, &[]).await,
        Err(Error::Engine(_))
    ));
    assert!(matches!(
        db.fetch_one::<String>(sql, &[&"a", &"b"]).await,
        Err(Error::Engine(_))
    ));
}

#[db_test]
async fn what_can_never_be_kept_is_told_from_what_fails_for_now(db: Db) {
    let sql = "CREATE TABLE short (name TEXT NOT NULL UNIQUE CHECK (length(name) < 20000))";
    db.execute(sql, &[]).await.unwrap();
    let insert = async |name: Option<String>| {
        let sql = "INSERT INTO short (name) VALUES ($1)";
        db.execute(sql, &[&name]).await
    };
    insert(Some("a".to_owned())).await.unwrap();
    for name in [
        None,
        Some("x".repeat(20_000)),
        Some("a".to_owned()),
        Some("\0".to_owned()),
    ] {
        let refused = insert(name).await.unwrap_err();
        assert!(refused.is_of_data(), "{refused:?}");
    }
    // Longer than an index takes; SQLite's takes all.
    let noise: String = (0..5000)
        .map(|_| format!("{:x}", stoa_kernel::random::bytes::<1>()[0]))
        .collect();
    if let Err(refused) = insert(Some(noise)).await {
        assert!(matches!(refused, Error::Data(_)), "{refused:?}");
    }
    let none = db
        .execute("INSERT INTO nowhere (name) VALUES ($1)", &[&"a"])
        .await;
    assert!(!none.unwrap_err().is_of_data());
}

#[db_test]
async fn text_with_a_nul_is_refused_alike(db: Db) {
    let refused = db
        .fetch_one::<String>("SELECT CAST($1 AS TEXT)", &[&"a\0b"])
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Value { position: 1, .. }), "{refused}");
}

#[db_test]
async fn what_one_engine_would_change_is_refused_by_both(db: Db) {
    let nan = db
        .fetch_one::<Option<f64>>("SELECT CAST($1 AS DOUBLE PRECISION)", &[&f64::NAN])
        .await
        .unwrap_err();
    assert!(matches!(nan, Error::Value { position: 1, .. }), "{nan}");
    db.execute(
        "CREATE TABLE times (at TIMESTAMPTZ NOT NULL, x DOUBLE PRECISION NOT NULL)",
        &[],
    )
    .await
    .unwrap();
    let insert = "INSERT INTO times (x, at) VALUES ($2, $1)";
    let early = db
        .execute(insert, &[&Timestamp::MIN, &0.0_f64])
        .await
        .unwrap_err();
    assert!(matches!(early, Error::Value { position: 1, .. }), "{early}");
    let oldest: Timestamp = "-004712-01-01T00:00:00Z".parse().unwrap();
    for (at, x) in [(oldest, f64::INFINITY), (Timestamp::UNIX_EPOCH, f64::MAX)] {
        db.execute(insert, &[&at, &x]).await.unwrap();
        assert_eq!(
            db.fetch_one::<(Timestamp, f64)>("SELECT at, x FROM times WHERE at = $1", &[&at])
                .await
                .unwrap(),
            (at, x)
        );
    }
    db.execute(insert, &[&Timestamp::MAX, &f64::MIN_POSITIVE])
        .await
        .unwrap();
    let never: Timestamp = db
        .fetch_one("SELECT at FROM times WHERE at = $1", &[&Timestamp::MAX])
        .await
        .unwrap();
    assert!(never > "9999-12-29T00:00:00Z".parse().unwrap());
}

#[db_test]
async fn a_name_in_double_quotes_is_never_a_text(db: Db) {
    assert!(
        db.fetch_one::<String>("SELECT \"no such column\"", &[])
            .await
            .is_err()
    );
}

#[db_test]
async fn bytes_of_a_fixed_length_are_read_as_such(db: Db) {
    db.execute("CREATE TABLE hashes (hash BYTEA NOT NULL)", &[])
        .await
        .unwrap();
    db.execute("INSERT INTO hashes (hash) VALUES ($1)", &[&[7_u8; 32]])
        .await
        .unwrap();
    assert_eq!(
        db.fetch_one::<[u8; 32]>("SELECT hash FROM hashes WHERE hash = $1", &[&[7_u8; 32]])
            .await
            .unwrap(),
        [7; 32]
    );
    assert!(matches!(
        db.fetch_one::<[u8; 16]>("SELECT hash FROM hashes", &[]).await,
        Err(Error::Column { .. })
    ));
}

#[db_test]
async fn a_wrong_type_names_the_column(db: Db) {
    let error = db
        .fetch_one::<i64>("SELECT CAST('x' AS TEXT) AS shape", &[])
        .await
        .unwrap_err();
    let Error::Column { column, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(column, "shape");
}

#[db_test]
async fn json_is_kept_as_it_was_written(db: Db) {
    db.execute("CREATE TABLE notes (body TEXT NOT NULL)", &[])
        .await
        .unwrap();
    let body = Json::text(&serde_json::json!({"b": [1, 2.5, null], "a": "ü"})).unwrap();
    db.execute("INSERT INTO notes (body) VALUES ($1)", &[&body])
        .await
        .unwrap();
    let read: Json<serde_json::Value> = db.fetch_one("SELECT body FROM notes", &[]).await.unwrap();
    assert_eq!(read.0["b"][1], 2.5);
    assert_eq!(
        db.fetch_one::<String>("SELECT body FROM notes", &[])
            .await
            .unwrap(),
        body
    );
}

#[db_test]
async fn reads_cannot_write(db: Db) {
    db.execute("CREATE TABLE notes (body TEXT NOT NULL)", &[])
        .await
        .unwrap();
    let refused = db
        .fetch_all::<()>("INSERT INTO notes (body) VALUES ('by a read')", &[])
        .await;
    assert!(refused.is_err());
    assert_eq!(
        db.fetch_one::<i64>("SELECT COUNT(*) FROM notes", &[])
            .await
            .unwrap(),
        0
    );
}

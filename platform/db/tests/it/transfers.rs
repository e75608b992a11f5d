//! Everything from one engine to the other and back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use stoa_db::{
    Db, Engine, Error, Migration, ToValue,
    testing::TestDatabase,
    transfer::{self, Table},
};
use uuid::Uuid;

const MIGRATIONS: [Migration; 1] = [Migration::new(
    "0001_create_things",
    "CREATE TABLE owners (name TEXT NOT NULL PRIMARY KEY, seeded BOOLEAN NOT NULL);
     CREATE TABLE a_things (owner TEXT NOT NULL REFERENCES owners (name), \"order\" BIGINT NOT NULL, flag BOOLEAN, number BIGINT,
         real DOUBLE PRECISION, text TEXT, bytes BYTEA, uuid UUID, time TIMESTAMPTZ, PRIMARY KEY (owner, \"order\"));
     CREATE TABLE by_time (at TIMESTAMPTZ NOT NULL, id UUID NOT NULL, PRIMARY KEY (at, id));
     CREATE TABLE by_bytes (hash BYTEA PRIMARY KEY);
     CREATE TABLE empty (id UUID PRIMARY KEY);
     INSERT INTO owners (name, seeded) VALUES ('seeded', TRUE), ('changed later', TRUE);",
)];

async fn open(place: &TestDatabase, name: &str) -> Db {
    let db = Db::open(place.options(name)).await.unwrap();
    db.migrate("things", &MIGRATIONS).await.unwrap();
    db
}

async fn fill(db: &Db, rows: i64) {
    let texts = [
        "",
        "a",
        "ä",
        "日本語 🎉",
        "it's \"quoted\"\n\t\\",
        "Z",
        "\u{1}",
        "e\u{301}",
    ];
    let numbers = [i64::MIN, i64::MAX, 0, -1];
    let reals = [0.0, -0.0, 1.5, -1e300, f64::MIN_POSITIVE, f64::INFINITY];
    let times = [
        Timestamp::UNIX_EPOCH,
        Timestamp::from_microsecond(-210_866_803_200_000_000).unwrap(),
        Timestamp::from_microsecond(1_795_246_258_123_456).unwrap(),
        Timestamp::MAX,
    ];
    let mut tx = db.begin().await.unwrap();
    tx.execute(
        "UPDATE owners SET seeded = FALSE WHERE name = 'changed later'",
        &[],
    )
    .await
    .unwrap();
    tx.execute("DELETE FROM owners WHERE name = 'seeded'", &[])
        .await
        .unwrap();
    for text in texts {
        tx.execute("INSERT INTO owners (name, seeded) VALUES ($1, FALSE)", &[&text])
            .await
            .unwrap();
    }
    for n in 0..rows {
        let at = usize::try_from(n).unwrap();
        let some = |one: &'static str| (at % 5 != 0).then_some(one);
        let bytes = (at % 3 != 0).then(|| vec![u8::try_from(at % 256).unwrap(); at % 40]);
        let uuid = (at % 4 != 0).then(|| Uuid::from_u128(at as u128 * 7919));
        let flag = [None, Some(true), Some(false)][at % 3];
        let row: [&dyn ToValue; 9] = [
            &texts[at % texts.len()],
            &n,
            &flag,
            &numbers[at % 4],
            &reals[at % 6],
            &some(texts[at / 3 % texts.len()]),
            &bytes,
            &uuid,
            &times[at % 4],
        ];
        let sql = "INSERT INTO a_things (owner, \"order\", flag, number, real, text, bytes, uuid, time) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        tx.execute(sql, &row).await.unwrap();
        tx.execute(
            "INSERT INTO by_time (at, id) VALUES ($1, $2)",
            &[&times[at % 4], &Uuid::from_u128(at as u128)],
        )
        .await
        .unwrap();
        tx.execute("INSERT INTO by_bytes (hash) VALUES ($1)", &[&n.to_le_bytes()])
            .await
            .unwrap();
    }
    let large = vec![7_u8; 9 * 1024 * 1024];
    let sql = "INSERT INTO a_things (owner, \"order\", bytes) VALUES ('Z', -1, $1)";
    tx.execute(sql, &[&large]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn sums(db: &Db, tables: &[Table]) -> BTreeMap<String, String> {
    let mut sums = BTreeMap::new();
    for table in tables {
        sums.insert(
            table.name.clone(),
            transfer::sum(db, table).await.unwrap().to_string(),
        );
    }
    sums
}

async fn go(from: &Db, to: &Db) -> BTreeMap<String, String> {
    let tables = transfer::tables(from).await.unwrap();
    assert_eq!(
        tables,
        transfer::tables(to).await.unwrap(),
        "both engines tell the same"
    );
    transfer::begin(to, "test", &tables).await.unwrap();
    transfer::copy(from, to, &tables, |_| {}).await.unwrap();
    transfer::finish(to).await.unwrap();
    let found = sums(from, &tables).await;
    assert_eq!(found, sums(to, &tables).await);
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_values_arrive_as_they_were_and_come_back() {
    let (files, server) = (
        TestDatabase::new(Engine::Sqlite),
        TestDatabase::new(Engine::Postgres),
    );
    let first = open(&files, "first").await;
    fill(&first, 1000).await;
    let there = open(&server, "there").await;
    let sums = go(&first, &there).await;
    assert!(sums["a_things"].starts_with("1001 rows"), "{sums:?}");
    assert!(sums["empty"].starts_with("0 rows") && sums["owners"].starts_with("9 rows"));
    let back = open(&files, "back").await;
    assert_eq!(go(&there, &back).await, sums);
    let seeded: bool = back
        .fetch_one("SELECT seeded FROM owners WHERE name = 'changed later'", &[])
        .await
        .unwrap();
    assert!(!seeded, "what a migration put there does not win");
    server.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_any_value_changes_the_sum() {
    let place = TestDatabase::new(Engine::Sqlite);
    let db = open(&place, "one").await;
    fill(&db, 50).await;
    let tables = transfer::tables(&db).await.unwrap();
    let mut seen = vec![sums(&db, &tables).await];
    for change in [
        "UPDATE a_things SET flag = FALSE WHERE \"order\" = 1",
        "UPDATE a_things SET text = '' WHERE \"order\" = 5",
        "UPDATE a_things SET number = number + 1 WHERE \"order\" = 2",
        "UPDATE a_things SET time = time + 1 WHERE \"order\" = 2",
        "UPDATE a_things SET bytes = NULL WHERE \"order\" = 40",
        "DELETE FROM by_bytes WHERE hash = X'0100000000000000'",
    ] {
        assert_eq!(db.execute(change, &[]).await.unwrap(), 1, "{change}");
        let found = sums(&db, &tables).await;
        assert!(!seen.contains(&found), "{change}");
        seen.push(found);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_broken_off_goes_on_where_it_was() {
    for engines in [
        [Engine::Sqlite, Engine::Postgres],
        [Engine::Postgres, Engine::Sqlite],
    ] {
        let places = engines.map(TestDatabase::new);
        let (from, to) = (open(&places[0], "a").await, open(&places[1], "b").await);
        fill(&from, 2000).await;
        let tables = transfer::tables(&from).await.unwrap();
        transfer::begin(&to, "test", &tables).await.unwrap();
        let (mut chunks, mut stop) = (Vec::new(), 1);
        loop {
            // Broken off after more and more chunks, at whatever it does next.
            let mut left = stop;
            let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
            let copying = transfer::copy(&from, &to, &tables, |copied| {
                chunks.push((copied.table.to_owned(), copied.rows, copied.done));
                left -= 1;
                if left == 0 {
                    let _ = told.send(());
                }
            });
            tokio::select! {
                biased;
                Some(()) = tell.recv() => {}
                done = copying => match done {
                    Ok(()) => break,
                    // The chunk that was broken off was committed after this copy had looked how far the last one came.
                    Err(Error::Unique) => {}
                    Err(error) => panic!("{error}"),
                },
            }
            assert_eq!(
                transfer::unfinished(&to).await.unwrap().as_deref(),
                Some("test"),
                "nobody may serve from it"
            );
            stop += 1;
            transfer::begin(&to, "test", &tables).await.unwrap();
        }
        let once = chunks
            .iter()
            .filter(|(table, _, done)| table == "by_bytes" && *done);
        assert_eq!(once.count(), 1, "a finished table is not done again: {chunks:?}");
        assert!(stop > 3, "it was broken off {stop} times");
        transfer::finish(&to).await.unwrap();
        assert_eq!(transfer::unfinished(&to).await.unwrap(), None);
        assert_eq!(sums(&from, &tables).await, sums(&to, &tables).await);
        for place in places {
            place.remove().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sources_do_not_meet_in_one_target() {
    let place = TestDatabase::new(Engine::Sqlite);
    let to = open(&place, "to").await;
    let tables = transfer::tables(&to).await.unwrap();
    transfer::begin(&to, "one", &tables).await.unwrap();
    let refused = transfer::begin(&to, "two", &tables).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Migration(said) if said.contains("has begun from one")),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_cannot_be_transferred_are_named() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let place = TestDatabase::new(engine);
        for (name, sql, said) in [
            (
                "a",
                "CREATE TABLE keyless (id BIGINT)",
                "keyless has no primary key",
            ),
            (
                "b",
                "CREATE TABLE odd (id BIGINT PRIMARY KEY, price NUMERIC)",
                "price of odd",
            ),
        ] {
            let db = Db::open(place.options(name)).await.unwrap();
            db.execute(sql, &[]).await.unwrap();
            let refused = transfer::tables(&db).await.unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
        place.remove().await;
    }
}

//! Lists by the page: filters, orders and cursors.

use stoa_db::{Db, Direction, Error, FromRow, List, OrderedText, containing, db_test};
use stoa_kernel::{Cursor, PageRequest};

#[derive(Debug, FromRow)]
struct Thing {
    id: i64,
    name: OrderedText,
}

async fn things(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    let sql = "CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, name BYTEA NOT NULL)";
    tx.execute(sql, &[]).await.unwrap();
    for id in 1..=9_i64 {
        let (kind, name) = (["a", "b", "%"][id as usize % 3], ["Z", "ä", "a"][id as usize % 3]);
        let sql = "INSERT INTO things (id, kind, name) VALUES ($1, $2, $3)";
        tx.execute(sql, &[&id, &kind, &OrderedText(name.to_owned())])
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

fn list() -> List<'static> {
    List::of("things", "id, name")
}

fn page(cursor: Option<String>, limit: u32) -> PageRequest {
    PageRequest { cursor, limit }
}

#[db_test]
async fn pages_hold_each_row_once_in_any_order(db: Db) {
    things(&db).await;
    let by_name = [3, 6, 9, 2, 5, 8, 1, 4, 7];
    for direction in [Direction::Ascending, Direction::Descending] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        for _ in 0..5 {
            let list = list().order(&["name", "id"], direction);
            let position = |row: &Thing| (row.name.clone(), row.id);
            let found = list.page(&db, &page(cursor, 2), position).await.unwrap();
            seen.extend(found.items.iter().map(|row| row.id));
            cursor = found.next_cursor;
        }
        assert_eq!(cursor, None);
        if direction == Direction::Descending {
            seen.reverse();
        }
        assert_eq!(seen, by_name);
    }
}

#[db_test]
async fn filters_hold_together_and_values_are_only_values(db: Db) {
    things(&db).await;
    let ids = async |list: List<'static>| {
        let page = list.page(&db, &page(None, 100), |row: &Thing| row.id).await;
        page.unwrap().items.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(list().filter("kind = $", "b")).await, [7, 4, 1]);
    let small = list().filter("kind = $", "b").filter_some("id < $", Some(7_i64));
    assert_eq!(ids(small.and("id > 1")).await, [4]);
    assert_eq!(ids(list().filter_some("id < $", None::<i64>)).await.len(), 9);
    let holding = |part: &str| list().filter(r"kind LIKE $ ESCAPE '\'", containing(part));
    assert_eq!(ids(holding("%")).await, [8, 5, 2]);
    assert!(ids(holding("_")).await.is_empty());
    assert!(ids(holding(r"\")).await.is_empty());
    assert!(ids(list().filter("kind = $", "' OR 1 = 1 --")).await.is_empty());
}

#[db_test]
async fn a_cursor_of_another_list_is_refused(db: Db) {
    things(&db).await;
    let by_id = list()
        .page(&db, &page(None, 1), |row: &Thing| row.id)
        .await
        .unwrap();
    let cursors = [
        by_id.next_cursor.unwrap(),
        Cursor::encode(&("kind", ("b", 1))),
        Cursor::encode(&("name", "b")),
        Cursor::encode(&("name", ("b", "1"))),
        Cursor::encode(&("name", ("b\0", 1))),
        "'".to_owned(),
    ];
    for cursor in cursors {
        let list = list().order(&["name", "id"], Direction::Ascending);
        let position = |row: &Thing| (row.name.clone(), row.id);
        let refused = list.page(&db, &page(Some(cursor.clone()), 1), position).await;
        assert!(matches!(refused, Err(Error::Cursor)), "{cursor}: {refused:?}");
    }
}

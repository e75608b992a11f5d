//! What is shown of the log.

use stoa_audit::{Filter, list};
use stoa_db::db_test;
use stoa_kernel::Id;
use uuid::Uuid;

use crate::log::{Log, user};

#[db_test]
async fn entries_are_listed_newest_first_and_in_pages(log: Log) {
    log.sealed(7).await;
    log.write(8).await;
    let mut seen = Vec::new();
    let mut filter = Filter {
        limit: 3,
        ..Filter::default()
    };
    loop {
        let page = list(&log.db, &filter).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 3);
        filter.before = Some(last.id);
        seen.extend(
            page.into_iter()
                .map(|record| (record.resource_id.unwrap().as_u128(), record.seq)),
        );
    }
    let sealed = (1..=7_u128)
        .rev()
        .map(|number| (number, Some(i64::try_from(number).unwrap())));
    let expected: Vec<_> = std::iter::once((8, None)).chain(sealed).collect();
    assert_eq!(seen, expected);
}

#[db_test]
async fn filters_hold_all_together(log: Log) {
    log.sealed(9).await;
    let numbers = async |filter: Filter| -> Vec<u128> {
        let records = list(&log.db, &filter).await.unwrap();
        records
            .iter()
            .map(|record| record.resource_id.unwrap().as_u128())
            .collect()
    };
    let of_two = Filter {
        actor: Some(user(2)),
        ..Filter::default()
    };
    assert_eq!(numbers(of_two.clone()).await, [8, 5, 2]);
    assert_eq!(
        numbers(Filter {
            resource_id: Some(Uuid::from_u128(5)),
            ..of_two.clone()
        })
        .await,
        [5]
    );
    assert!(
        numbers(Filter {
            resource_id: Some(Uuid::from_u128(4)),
            ..of_two.clone()
        })
        .await
        .is_empty()
    );
    let of_organization = Filter {
        organization_id: Some(Id::from_uuid(Uuid::from_u128(1))),
        ..of_two.clone()
    };
    assert_eq!(numbers(of_organization).await, [5]);
    let action = |text: &str| Some(text.to_owned());
    assert_eq!(
        numbers(Filter {
            action: action("thing.change"),
            limit: 2,
            ..of_two.clone()
        })
        .await,
        [8, 5]
    );
    assert!(
        numbers(Filter {
            action: action("thing.%"),
            ..of_two.clone()
        })
        .await
        .is_empty(),
        "an action is no pattern"
    );
    assert!(
        numbers(Filter {
            action: action("' OR '1' = '1"),
            ..of_two
        })
        .await
        .is_empty()
    );
}

#[db_test]
async fn a_record_says_what_was_written(log: Log) {
    log.sealed(1).await;
    let record = list(&log.db, &Filter::default()).await.unwrap().remove(0);
    assert_eq!(record.actor, Some(user(1)));
    assert_eq!(
        (record.action.as_str(), record.resource_kind.as_str()),
        ("thing.change", "thing")
    );
    assert_eq!(record.detail, serde_json::json!({ "number": 1, "to": "ä\u{0}" }));
    assert_eq!(
        (record.request_id.as_deref(), record.address.as_deref()),
        (Some("r-1"), Some("192.0.2.1"))
    );
    assert!(log.db.clock().now().duration_since(record.at).as_secs() < 10);
}

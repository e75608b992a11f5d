//! Administrators, made from the command line.

use stoa_auth::create_admin;
use stoa_db::db_test;

use crate::{App, PASSWORD, audited, config, login, register, value};

#[db_test]
async fn an_administrator_is_made_and_signs_in(app: App) {
    let config = config(|_| {});
    let admin = create_admin(app.db(), &config, "Root@Example.org", PASSWORD)
        .await
        .unwrap();
    assert!(admin.created);
    let body = login(&app, "root@example.org", PASSWORD)
        .await
        .expect(200)
        .value();
    assert_eq!(body["user"]["email_verified"], true);
    assert!(
        body["user"]["roles"]
            .as_array()
            .unwrap()
            .contains(&"admin".into()),
        "{body}"
    );
    assert!(audited(&app).await.contains(&"role.assign".to_owned()));
}

#[db_test]
async fn an_account_that_is_there_is_promoted_and_keeps_its_password(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let config = config(|_| {});
    let admin = create_admin(app.db(), &config, "ada@example.org", "ignored, for it exists")
        .await
        .unwrap();
    assert_eq!((admin.user_id, admin.created), (ada.id, false));
    let body = login(&app, "ada@example.org", PASSWORD).await.expect(200).value();
    assert!(
        body["user"]["roles"]
            .as_array()
            .unwrap()
            .contains(&"admin".into()),
        "{body}"
    );
    create_admin(app.db(), &config, "ada@example.org", "")
        .await
        .unwrap();
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM accounts").await, 1);
}

#[db_test]
async fn what_cannot_be_an_administrator_is_refused(app: App) {
    let config = config(|_| {});
    for (email, password) in [
        ("nobody", PASSWORD),
        ("root@example.org", "short"),
        ("root@example.org", "password123"),
    ] {
        assert!(
            create_admin(app.db(), &config, email, password).await.is_err(),
            "{email} {password}"
        );
    }
    assert_eq!(value::<i64>(&app, "SELECT count(*) FROM accounts").await, 0);
}

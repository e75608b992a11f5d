//! Whose events whose endpoints are given, and what remains of those who are erased.

use serde_json::{Value, json};
use stoa_auth_api::events::{
    CredentialsRevoked, OrganizationDeleted, OrganizationPurged, OrganizationRestored, RoleChanged,
    SessionRevoked, UserErased, UserRegistered,
};
use stoa_db::{Engine, db_test};
use stoa_kernel::{Id, Timestamp, UserId};
use stoa_testkit::{TestApp, assert_problem};

use crate::helpers::{App, ENDPOINTS, Sink, create, endpoint, happen, organization};

const INSTALLATION: &str = "/api/v1/webhooks/installation/endpoints";

async fn register(app: &TestApp, user: UserId) {
    app.emit(&UserRegistered {
        user_id: user,
        email: "ada@example.com".to_owned(),
        first_name: None,
        last_name: None,
    })
    .await;
}

fn types(sink: &Sink) -> Vec<Value> {
    sink.received()
        .iter()
        .map(|one| one.json()["type"].clone())
        .collect()
}

#[db_test]
async fn owners_get_what_concerns_them_and_those_who_run_the_installation_all(app: App) {
    let (ada, bob) = (app.new_user(), app.new_user());
    let (ours, token) = organization(&app);
    let (of_ada, of_bob, of_us, of_all) = (
        Sink::start().await,
        Sink::start().await,
        Sink::start().await,
        Sink::start().await,
    );
    for (user, sink) in [(ada, &of_ada), (bob, &of_bob)] {
        let body = json!({"url": sink.url, "events": ["*"]});
        create(&app, &app.token(user, &[]), &body).await.expect(201);
    }
    endpoint(&app, &token, ours, &of_us, json!({})).await;
    let operator = app.token(app.new_user(), &["webhooks.*"]);
    let body = json!({"url": of_all.url, "events": ["*"]});
    app.post(INSTALLATION)
        .bearer(&operator)
        .json(&body)
        .send()
        .await
        .expect(201);
    app.settle().await;
    let before = [&of_ada, &of_bob, &of_us, &of_all].map(Sink::count);
    register(&app, ada).await;
    happen(&app, ours).await;
    happen(&app, app.new_organization()).await;
    app.emit(&SessionRevoked {
        user_id: ada,
        session_id: Id::new(app.clock()),
        until: Timestamp::UNIX_EPOCH,
    })
    .await;
    app.emit(&RoleChanged {
        role: "admin".to_owned(),
        version: 1,
        until: Timestamp::UNIX_EPOCH,
    })
    .await;
    app.settle().await;
    let got = |sink: &Sink, before: usize| types(sink)[before..].to_vec();
    assert_eq!(got(&of_ada, before[0]), ["user.registered"]);
    assert!(got(&of_bob, before[1]).is_empty());
    assert_eq!(got(&of_us, before[2]), ["member.added"]);
    let mut all = got(&of_all, before[3]);
    all.sort_by_key(ToString::to_string);
    assert_eq!(
        all,
        ["member.added", "member.added", "user.registered"],
        "and nothing that is internal"
    );
}

#[db_test]
async fn strangers_find_nothing_and_members_need_a_role(app: App) {
    use stoa_kernel::OrganizationRole::{Guest, Member, Owner};

    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    let path = endpoint(&app, &token, ours, &sink, json!({})).await;
    let stranger = app.token(app.new_user(), &[]);
    let (_, others) = organization(&app);
    for token in [&stranger, &others] {
        for suffix in ["", "/attempts", "/messages", "/secret"] {
            assert_problem(
                &app.get(&format!("{path}{suffix}")).bearer(token).send().await,
                404,
                "not_found",
                &[],
            );
        }
        let body = json!({"enabled": false});
        assert_problem(
            &app.patch(&path).bearer(token).json(&body).send().await,
            404,
            "not_found",
            &[],
        );
        assert_problem(
            &app.delete(&path).bearer(token).send().await,
            404,
            "not_found",
            &[],
        );
    }
    for role in [Guest, Member] {
        let token = app.member_token(app.new_user(), ours, role);
        assert_problem(
            &app.get(&path).bearer(&token).send().await,
            403,
            "organization_role_required",
            &[],
        );
        let body = json!({"url": sink.url, "events": ["*"], "organization_id": ours});
        assert_problem(
            &create(&app, &token, &body).await,
            403,
            "organization_role_required",
            &[],
        );
    }
    app.get(&path)
        .bearer(&app.member_token(app.new_user(), ours, Owner))
        .send()
        .await
        .expect(200);
    let user = app.new_user();
    let own = create(
        &app,
        &app.token(user, &[]),
        &json!({"url": sink.url, "events": ["*"]}),
    )
    .await
    .expect(201)
    .value();
    let own = format!("{ENDPOINTS}/{}", own["id"].as_str().unwrap());
    let reading = app.api_key(user, &["webhooks.read"]);
    app.get(&own).api_key(&reading).send().await.expect(200);
    assert_problem(
        &app.get(&format!("{own}/secret")).api_key(&reading).send().await,
        403,
        "forbidden",
        &[],
    );
    let body = json!({"url": sink.url, "events": ["*"]});
    assert_problem(
        &app.post(INSTALLATION).bearer(&stranger).json(&body).send().await,
        403,
        "forbidden",
        &[],
    );
    let operator = app.token(app.new_user(), &["webhooks.all"]);
    let all = app
        .post(INSTALLATION)
        .bearer(&operator)
        .json(&body)
        .send()
        .await
        .expect(201)
        .value();
    let all = format!("{ENDPOINTS}/{}", all["id"].as_str().unwrap());
    app.get(&all).bearer(&operator).send().await.expect(200);
    assert_problem(&app.get(&all).bearer(&token).send().await, 404, "not_found", &[]);
}

#[db_test]
async fn with_a_person_go_their_endpoints_and_all_messages_about_them(app: App) {
    let (ada, sink, of_all) = (app.new_user(), Sink::start().await, Sink::start().await);
    let token = app.token(ada, &[]);
    let body = json!({"url": sink.url, "events": ["user.*"]});
    create(&app, &token, &body).await.expect(201);
    let operator = app.token(app.new_user(), &["webhooks.all"]);
    let body = json!({"url": of_all.url, "events": ["user.*"]});
    app.post(INSTALLATION)
        .bearer(&operator)
        .json(&body)
        .send()
        .await
        .expect(201);
    register(&app, ada).await;
    app.settle().await;
    assert_eq!((sink.count(), of_all.count()), (1, 1));
    app.emit(&UserErased { user_id: ada }).await;
    app.settle().await;
    assert_eq!(types(&of_all), ["user.registered", "user.erased"]);
    let left = "SELECT COUNT(*) FROM messages WHERE data LIKE '%ada@%'";
    assert_eq!(app.db().fetch_one::<i64>(left, &[]).await.unwrap(), 0);
    for table in [
        "endpoints WHERE owner_kind = 'user'",
        "signing_secrets WHERE endpoint_id NOT IN (SELECT id FROM endpoints)",
    ] {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(app.db().fetch_one::<i64>(&sql, &[]).await.unwrap(), 0, "{table}");
    }
    for table in ["deliveries", "attempts"] {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE message_id NOT IN (SELECT id FROM messages)");
        assert_eq!(app.db().fetch_one::<i64>(&sql, &[]).await.unwrap(), 0, "{table}");
    }
    let late = create(&app, &token, &json!({"url": sink.url, "events": ["*"]})).await;
    assert_problem(&late, 401, "token_revoked", &[]);
}

#[db_test]
async fn a_reset_of_the_password_disables_the_endpoints_of_the_person(app: App) {
    let (ada, sink, of_us) = (app.new_user(), Sink::start().await, Sink::start().await);
    let token = app.token(ada, &[]);
    let body = json!({"url": sink.url, "events": ["user.*", "webhook.disabled"]});
    let own = create(&app, &token, &body).await.expect(201).value();
    let own = format!("{ENDPOINTS}/{}", own["id"].as_str().unwrap());
    let (ours, admin) = organization(&app);
    endpoint(&app, &admin, ours, &of_us, json!({"events": ["member.*"]})).await;
    app.emit(&CredentialsRevoked { user_id: ada }).await;
    app.settle().await;
    let now = app.get(&own).bearer(&token).send().await.expect(200).value();
    assert_eq!(
        (&now["enabled"], &now["disabled_reason"]),
        (&json!(false), &json!("credentials_revoked"))
    );
    register(&app, ada).await;
    happen(&app, ours).await;
    app.settle().await;
    assert_eq!((sink.count(), of_us.count()), (0, 1));
    assert_eq!(app.audited("webhook.disable").await.len(), 1);
    // The owner knows it, and has it go on.
    let body = json!({"enabled": true});
    app.patch(&own)
        .bearer(&token)
        .json(&body)
        .send()
        .await
        .expect(200);
    register(&app, ada).await;
    app.settle().await;
    assert_eq!(types(&sink), ["user.registered"]);
}

#[db_test]
async fn a_deleted_organization_is_given_nothing_until_it_is_restored(app: App) {
    let ((ours, token), sink) = (organization(&app), Sink::start().await);
    endpoint(
        &app,
        &token,
        ours,
        &sink,
        json!({"events": ["organization.*", "member.*"]}),
    )
    .await;
    let deleted = OrganizationDeleted {
        organization_id: ours,
        purge_at: app.clock().after(std::time::Duration::from_secs(3600)),
    };
    app.emit(&deleted).await;
    happen(&app, ours).await;
    app.settle().await;
    assert_eq!(types(&sink), ["organization.deleted"]);
    app.emit(&OrganizationRestored {
        organization_id: ours,
    })
    .await;
    happen(&app, ours).await;
    app.settle().await;
    let mut after = types(&sink)[1..].to_vec();
    after.sort_by_key(ToString::to_string);
    assert_eq!(after, ["member.added", "organization.restored"]);
    app.emit(&OrganizationPurged {
        organization_id: ours,
    })
    .await;
    app.settle().await;
    let left: i64 = app
        .db()
        .fetch_one("SELECT COUNT(*) FROM endpoints", &[])
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[db_test]
async fn what_comes_late_of_somebody_who_was_erased_is_not_kept(app: App) {
    let (ada, sink) = (app.new_user(), Sink::start().await);
    let operator = app.token(app.new_user(), &["webhooks.*"]);
    let body = json!({"url": sink.url, "events": ["user.*"]});
    app.post(INSTALLATION)
        .bearer(&operator)
        .json(&body)
        .send()
        .await
        .expect(201);
    app.emit(&UserErased { user_id: ada }).await;
    app.settle().await;
    assert_eq!(types(&sink), ["user.erased"]);
    register(&app, ada).await;
    app.settle().await;
    assert_eq!(types(&sink), ["user.erased"]);
    let sql = "SELECT type FROM messages WHERE subject = $1";
    let kept: Vec<String> = app.db().fetch_all(sql, &[&format!("user:{ada}")]).await.unwrap();
    assert_eq!(kept, ["user.erased"]);
}

#[db_test]
async fn an_erasure_of_much_goes_on_until_nothing_is_left(app: App) {
    let ada = app.new_user();
    let id = match app.db().engine() {
        Engine::Sqlite => "randomblob(16)",
        Engine::Postgres => "gen_random_uuid()",
    };
    let sql = format!(
        "INSERT INTO messages (id, type, subject, data, time) \
         WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < 510) \
         SELECT {id}, 'user.registered', $1, '{{}}', $2 FROM n"
    );
    let (subject, now) = (format!("user:{ada}"), app.clock().now());
    app.db().execute(&sql, &[&subject, &now]).await.unwrap();
    app.emit(&UserErased { user_id: ada }).await;
    app.settle().await;
    let sql = "SELECT COUNT(*) FROM messages WHERE subject = $1";
    let left: i64 = app.db().fetch_one(sql, &[&subject]).await.unwrap();
    assert_eq!(left, 0);
}

//! What other processes know of keys and revocations.

use std::time::Duration;

use stoa_auth::ISSUER;
use stoa_auth_api::{TrustFeed, v1::TrustRequest};
use stoa_db::db_test;
use stoa_http::{Refused, Verifier};
use stoa_testkit::TestApp;

use crate::{
    App,
    admin::{give, root},
    register,
    rpc::client,
};

/// A verifier as another process has it, once it has heard of the keys.
async fn elsewhere(app: &TestApp) -> (Verifier, TrustFeed) {
    let verifier = Verifier::new(ISSUER, app.clock().clone());
    let feed = TrustFeed::start(verifier.clone(), &app.env().rpc);
    for _ in 0..500 {
        if feed.has_heard() {
            return (verifier, feed);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("auth did not answer");
}

/// What the verifier says of a token before long: within a second, on a machine that has nothing else to do.
async fn before_long(verifier: &Verifier, token: &str) -> Refused {
    for _ in 0..250 {
        if let Err(refused) = verifier.verify(token) {
            return refused;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the token still works after five seconds");
}

#[db_test]
async fn what_auth_takes_back_is_refused_elsewhere_within_a_second(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let (verifier, feed) = elsewhere(&app).await;
    assert!(feed.is_answering());
    assert!(verifier.verify(&ada.access).is_ok());

    give(&app, &root, ada.id, "admin").await.expect(204);
    assert_eq!(before_long(&verifier, &ada.access).await, Refused::Stale);
    app.delete("/api/v1/auth/sessions")
        .bearer(&root.access)
        .send()
        .await
        .expect(204);
    assert_eq!(before_long(&verifier, &root.access).await, Refused::Revoked);

    let (late, _feed) = elsewhere(&app).await;
    assert_eq!(
        late.verify(&root.access).unwrap_err(),
        Refused::Revoked,
        "who comes later is told everything"
    );
}

#[db_test]
async fn only_what_is_new_is_told(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let ask = async |seq| {
        client(&app)
            .trust(TrustRequest { seq })
            .await
            .unwrap()
            .into_inner()
    };
    let before = ask(0).await;
    give(&app, &root, ada.id, "admin").await.expect(204);
    let after = ask(before.seq).await;
    assert!(after.seq > before.seq);
    assert_eq!(after.raised_versions.len(), before.raised_versions.len() + 1);
    let nothing = ask(after.seq).await;
    assert_eq!((nothing.seq, nothing.raised_versions.len()), (after.seq, 0));
    assert_eq!(nothing.keys, before.keys);
    let whole = ask(after.seq + 7).await;
    assert_eq!(
        whole.raised_versions, after.raised_versions,
        "a number that is not ours is as good as none"
    );
}

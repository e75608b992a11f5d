//! Signing keys, and what a restart keeps.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use stoa_db::db_test;
use stoa_http::{FORMER_ISSUER, Refused, Verifier};
use stoa_testkit::{TestApp, eventually};

use crate::{App, PASSWORD, SignedIn, auth, claims, config, kid, login, me, refresh, register, text};

const DAY: Duration = Duration::from_secs(24 * 3600);

stoa_testkit::app!(
    LongTokens,
    auth(|config| {
        config.access_token_lifetime.0 = DAY;
        config.refresh_token_lifetime.0 = 200 * DAY;
    })
);

async fn published(app: &TestApp) -> Vec<String> {
    let answer = app.get("/.well-known/jwks.json").send().await.expect(200);
    assert!(
        answer
            .header("cache-control")
            .unwrap()
            .starts_with("public, max-age=")
    );
    let keys = answer.value();
    keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| text(&key["kid"]))
        .collect()
}

/// Waits until the hourly look at the keys has been.
async fn until_published(app: &TestApp, count: usize) -> Vec<String> {
    app.settle().await;
    let there_are = async || published(app).await.len() == count;
    eventually(&format!("{count} keys"), there_are).await;
    published(app).await
}

/// The same service started again on what the first one left.
async fn restarted(app: &TestApp) -> Verifier {
    let mut env = app.env().clone();
    env.verifier = Verifier::new(FORMER_ISSUER, env.clock.clone());
    let verifier = env.verifier.clone();
    let service = stoa_auth::service(env, config(|_| {})).unwrap();
    service.start.unwrap()().await.unwrap();
    verifier
}

#[db_test]
async fn the_published_key_is_the_one_that_signs(app: App) {
    let ada = register(&app, "ada@example.org").await;
    assert_eq!(published(&app).await, [kid(&ada.access)]);
    let keys = app.get("/.well-known/jwks.json").send().await.value();
    let key = &keys["keys"][0];
    assert_eq!(
        [&key["kty"], &key["crv"], &key["alg"], &key["use"]],
        ["OKP", "Ed25519", "EdDSA", "sig"]
    );
    assert!(key.get("d").is_none(), "the private half stays private");
}

#[db_test]
async fn keys_change_and_old_tokens_still_verify(app: LongTokens) {
    let ada = register(&app, "ada@example.org").await;
    app.clock().advance(89 * DAY + Duration::from_secs(3600));
    let both = until_published(&app, 2).await;
    let soon = SignedIn::of(&login(&app, "ada@example.org", PASSWORD).await.expect(200));
    assert_eq!(
        kid(&soon.access),
        kid(&ada.access),
        "the next key does not sign yet"
    );
    app.clock().advance(Duration::from_secs(23 * 3600 + 60));
    let after = SignedIn::of(&login(&app, "ada@example.org", PASSWORD).await.expect(200));
    assert_eq!(kid(&after.access), both[1]);
    me(&app, &soon.access).await.expect(200);
    me(&app, &after.access).await.expect(200);
    app.clock().advance(2 * DAY);
    assert_eq!(until_published(&app, 1).await, [kid(&after.access)]);
}

#[db_test]
async fn a_restart_keeps_sessions_and_revocations(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let gone = SignedIn::of(&login(&app, "ada@example.org", PASSWORD).await.expect(200));
    app.post("/api/v1/auth/logout")
        .bearer(&gone.access)
        .send()
        .await
        .expect(204);

    let verifier: Verifier = restarted(&app).await;
    let principal: Arc<_> = verifier.verify(&ada.access).unwrap();
    assert_eq!(principal.user_id, ada.id);
    assert_eq!(verifier.verify(&gone.access).unwrap_err(), Refused::Revoked);
    refresh(&app, &ada.refresh).await.expect(200);
}

stoa_testkit::app!(
    Named,
    auth(|config| config.issuer = "https://stoa.example".to_owned())
);

#[db_test]
async fn a_token_says_who_issued_it_and_whom_it_is_for(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let said = claims(&ada.access);
    let public = format!("http://{}", app.address());
    assert_eq!((&said["iss"], &said["aud"]), (&json!(public), &json!(public)));
    me(&app, &ada.access).await.expect(200);
}

#[db_test]
async fn an_issuer_that_is_set_is_the_one_that_tokens_name(app: Named) {
    let ada = register(&app, "ada@example.org").await;
    let said = claims(&ada.access);
    assert_eq!(
        (&said["iss"], &said["aud"]),
        (&json!("https://stoa.example"), &json!("https://stoa.example"))
    );
    me(&app, &ada.access).await.expect(200);
    // Another process learns from auth whose tokens it accepts.
    let (elsewhere, _feed) = crate::trust::elsewhere(&app).await;
    assert!(elsewhere.verify(&ada.access).is_ok());
}

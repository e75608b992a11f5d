//! Tokens and keys at the edge.

use std::{pin::Pin, sync::Arc};

use stoa_http::KeyAuthority;
use stoa_kernel::{Clock, Id, Permissions, Principal, PrincipalKind};

use crate::story::{request, story, story_with};

#[tokio::test]
async fn a_token_names_its_user_and_a_bad_one_names_nobody() {
    let story = story("");
    let (token, user) = story.token();
    let with =
        |path: &str, token: &str| request("GET", path).header("authorization", format!("Bearer {token}"));
    assert_eq!(
        story.send(with("/me", &token)).await.body,
        user.to_string().as_bytes()
    );
    let anonymous = story.get("/me").await;
    assert_eq!(
        (anonymous.status, anonymous.code().as_str()),
        (401, "unauthenticated")
    );
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    let bad = &token[..token.len() - 3];
    assert_eq!(story.send(with("/me", bad)).await.status, 401);
    // Anybody may call it, whatever they send along.
    assert_eq!(story.send(with("/plain", bad)).await.status, 200);
    story.clock.advance(std::time::Duration::from_secs(7200));
    assert_eq!(story.send(with("/me", &token)).await.code(), "token_expired");
}

struct OneKey(Arc<Principal>);

impl KeyAuthority for OneKey {
    fn authenticate<'a>(
        &'a self,
        key: &'a str,
    ) -> Pin<Box<dyn Future<Output = stoa_http::Result<Option<Arc<Principal>>>> + Send + 'a>> {
        Box::pin(async move {
            match key {
                "stoa_key_good" => Ok(Some(Arc::clone(&self.0))),
                "stoa_key_panics" => panic!("the secret reason"),
                "stoa_key_hangs" => std::future::pending().await,
                _ => Ok(None),
            }
        })
    }
}

#[tokio::test]
async fn a_key_is_asked_of_its_authority_whose_faults_are_not_the_callers() {
    let user = Id::new(&Clock::system());
    let principal = Principal {
        permissions: Permissions::new(["profile.read"]),
        scopes: Some(Permissions::new(["profile.read"])),
        ..Principal::new(PrincipalKind::ApiKey, user)
    };
    let keys = Arc::new(OneKey(Arc::new(principal)));
    let story = story_with("timeout = \"100ms\"", |parts| parts.keys = Some(keys));
    let ask = |key: &str| request("GET", "/me").header("x-api-key", key);
    assert_eq!(
        story.send(ask("stoa_key_good")).await.body,
        user.to_string().as_bytes()
    );
    assert_eq!(story.send(ask("stoa_key_bad")).await.status, 401);
    assert_eq!(story.send(ask("stoa_key_panics")).await.code(), "internal");
    assert_eq!(story.send(ask("stoa_key_hangs")).await.code(), "timeout");
}

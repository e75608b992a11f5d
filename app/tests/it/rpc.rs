//! Calls between services over the network answer as those inside the process.

use reqwest::Method;
use serde_json::{Value, json};
use stoa_auth_api::Access;
use stoa_kernel::{Permissions, Principal, PrincipalKind, Reason, Resource, UserId};
use stoa_rpc::Directory;

use crate::{
    cli::create_admin,
    stoa::{PASSWORD, Stoa, folder, token},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_known_over_the_network_and_inside() {
    let (_scratch, data_dir) = folder();
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let stoa = Stoa::serve_with(&data_dir, &[("SERVER__RPC_LISTEN", &address)]);
    let (ada, eve) = (
        stoa.register("ada@example.com").await,
        stoa.register("eve@example.com").await,
    );
    let id = |answer: &Value| answer["user"]["id"].as_str().unwrap().parse::<UserId>().unwrap();
    assert!(
        create_admin(&data_dir, "root@example.com", &format!("{PASSWORD}\n"))
            .status
            .success()
    );
    let root = stoa.login("root@example.com").await;
    let granted = stoa
        .request(Method::POST, "/api/v1/auth/grants")
        .bearer_auth(token(&root))
        .json(&json!({"user_id": id(&eve), "action": "users.read", "resource_kind": "profile", "resource_id": id(&ada)}))
        .send()
        .await
        .unwrap();
    assert_eq!(granted.status(), 201, "{}", granted.text().await.unwrap());

    // Inside: users asks auth in the same process.
    let path = format!("/api/v1/users/{}", id(&ada));
    assert_eq!(stoa.get(&path, token(&eve)).await.status(), 200);
    assert_eq!(
        stoa.get(&format!("/api/v1/users/{}", id(&root)), token(&eve))
            .await
            .status(),
        403
    );

    // Over the network: as a users in a process of its own would.
    let directory = Directory::new();
    directory
        .set_remote(
            "auth",
            &[format!("http://{address}")],
            &stoa_rpc::RpcOptions::default(),
        )
        .unwrap();
    let access = Access::new(&directory);
    let principal = Principal {
        kind: PrincipalKind::User,
        user_id: id(&eve),
        session_id: None,
        roles: Vec::new(),
        permissions: Permissions::default(),
        scopes: None,
    };
    for (owner, allowed, reason) in [
        (id(&ada), true, Reason::Grant),
        (id(&root), false, Reason::NoRule),
    ] {
        let resource = Resource::owned("profile", owner.uuid(), owner);
        let decision = access.allow(&principal, "users.read", &resource).await.unwrap();
        assert_eq!((decision.allowed, decision.reason), (allowed, reason));
    }
    assert!(stoa.terminate().success());
}

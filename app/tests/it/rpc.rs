//! Calls between services over the network answer as those inside the process.

use reqwest::Method;
use serde_json::{Value, json};
use stoa_auth_api::Access;
use stoa_kernel::{Principal, PrincipalKind, Reason, Resource, UserId};
use stoa_rpc::{Directory, RpcConfig, RpcTlsConfig};
use stoa_tls::testing::Authority;

use crate::{
    cli::create_admin,
    stoa::{PASSWORD, Stoa, folder, run_with, token},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_known_over_the_network_and_inside() {
    let (scratch, data_dir) = folder();
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let authority = Authority::new("inside");
    let files = ["server", "caller"].map(|name| authority.issue(&["127.0.0.1"]).write(scratch.path(), name));
    let ca = scratch.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let stoa = Stoa::serve_with(
        &data_dir,
        &[
            ("SERVER__RPC_LISTEN", &address),
            ("RPC__TLS__CERTIFICATE", files[0].0.to_str().unwrap()),
            ("RPC__TLS__KEY", files[0].1.to_str().unwrap()),
            ("RPC__TLS__CA", ca.to_str().unwrap()),
        ],
    );
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
    let [_, (certificate, key)] = files;
    let config = RpcConfig {
        tls: RpcTlsConfig { certificate, key, ca },
        ..RpcConfig::default()
    };
    let directory = Directory::new();
    directory
        .set_remote(
            "auth",
            &[format!("https://{address}")],
            &config.options().unwrap(),
        )
        .unwrap();
    let access = Access::new(&directory);
    let principal = Principal::new(PrincipalKind::User, id(&eve));
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

#[test]
fn calls_without_tls_are_for_this_machine_alone() {
    let (_scratch, data_dir) = folder();
    let listen = [("STOA_SERVER__RPC_LISTEN".to_owned(), "0.0.0.0:0".to_owned())];
    let ended = run_with(&data_dir, &["serve", "--listen", "127.0.0.1:0"], &listen);
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("rpc.tls.certificate") && said.contains("rpc.insecure"),
        "{said}"
    );
}

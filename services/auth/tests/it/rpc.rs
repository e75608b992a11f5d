//! What other services ask of auth.

use serde_json::json;
use stoa_auth_api::v1::{
    AuthenticateKeyRequest, ContactsRequest, GrantsRequest, RegistrationRequest, TrustRequest,
    access_client::AccessClient,
};
use stoa_db::db_test;
use stoa_kernel::Id;
use stoa_rpc::Channel;
use stoa_testkit::TestApp;
use tonic::Code;

use crate::{
    App, PASSWORD, SignedIn,
    admin::{give, root},
    api_keys::make,
    grants::grant,
    register,
};

pub(crate) fn client(app: &TestApp) -> AccessClient<Channel> {
    AccessClient::new(app.env().rpc.channel("auth"))
}

#[db_test]
async fn trust_is_told_whole(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    give(&app, &root, ada.id, "admin").await.expect(204);
    app.delete("/api/v1/auth/sessions")
        .bearer(&root.access)
        .send()
        .await
        .expect(204);
    let trust = client(&app)
        .trust(TrustRequest::default())
        .await
        .unwrap()
        .into_inner();
    let now = app.clock().now().as_microsecond();
    let raised: Vec<_> = trust
        .raised_versions
        .iter()
        .map(|one| (one.user_id.clone(), one.version))
        .collect();
    assert_eq!(raised, [(ada.id.to_string(), 1)]);
    let revoked: Vec<_> = trust
        .revoked_sessions
        .iter()
        .map(|one| one.session_id.clone())
        .collect();
    assert_eq!(revoked, [root.session().to_string()]);
    assert!(trust.raised_versions[0].until > now && trust.revoked_sessions[0].until > now);
    assert_eq!((trust.keys.len(), trust.keys[0].public.len()), (1, 32));
    assert_eq!(trust.keys[0].kid, crate::kid(&ada.access));
}

#[db_test]
async fn how_people_can_be_reached_is_told(app: App) {
    let (ada, bob) = (
        register(&app, "Ada@Example.org").await,
        register(&app, "bob@example.org").await,
    );
    let ask = async |user_ids: Vec<String>| client(&app).contacts(ContactsRequest { user_ids }).await;
    let asked = vec![ada.id.to_string(), app.new_user().to_string(), bob.id.to_string()];
    let mut told = ask(asked).await.unwrap().into_inner().contacts;
    told.sort_by(|one, other| one.email.cmp(&other.email));
    let emails: Vec<_> = told
        .iter()
        .map(|one| (&*one.email, one.is_email_verified, one.is_disabled))
        .collect();
    assert_eq!(
        emails,
        [
            ("Ada@Example.org", false, false),
            ("bob@example.org", false, false)
        ]
    );
    assert_eq!(told[0].user_id, ada.id.to_string());
    assert!(ask(Vec::new()).await.unwrap().into_inner().contacts.is_empty());
    for wrong in [vec!["nobody".to_owned()], vec![ada.id.to_string(); 101]] {
        assert_eq!(ask(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[db_test]
async fn grants_on_one_thing_are_told(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let file = Id::<()>::new(app.clock()).uuid();
    grant(&app, &root, ada.id, "files.read", "file", file)
        .await
        .expect(201);
    grant(&app, &root, ada.id, "files.write", "file", file)
        .await
        .expect(201);
    grant(&app, &root, root.id, "files.remove", "file", file)
        .await
        .expect(201);
    let request = |user: &str, kind: &str, id: &str| GrantsRequest {
        user_id: user.to_owned(),
        resource_kind: kind.to_owned(),
        resource_id: id.to_owned(),
    };
    let told = client(&app)
        .grants(request(&ada.id.to_string(), "file", &file.to_string()))
        .await
        .unwrap();
    let actions: Vec<_> = told
        .into_inner()
        .grants
        .into_iter()
        .map(|grant| grant.action)
        .collect();
    assert_eq!(actions, ["files.read", "files.write"]);
    for (user, id) in [
        ("ada", file.to_string()),
        (ada.id.to_string().as_str(), "1".to_owned()),
    ] {
        let refused = client(&app).grants(request(user, "file", &id)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[db_test]
async fn a_key_is_told_with_what_roles_and_scopes_permit_together(app: App) {
    let root = root(&app).await;
    let (_, key) = make(&app, &root, &["users.read", "files.*"]).await;
    let ask = async |key: &str| {
        let request = AuthenticateKeyRequest { key: key.to_owned() };
        client(&app)
            .authenticate_key(request)
            .await
            .unwrap()
            .into_inner()
            .principal
    };
    let principal = ask(&key).await.unwrap();
    assert_eq!(principal.user_id, root.id.to_string());
    assert_eq!(principal.roles, ["admin", "user"]);
    assert_eq!(principal.permissions, ["files.*", "users.read"]);
    assert_eq!(principal.scopes, ["files.*", "users.read"]);
    let (id, _) = key.rsplit_once('_').unwrap();
    for wrong in [
        "",
        "stoa_key_",
        "stoa_key_x_y",
        id,
        &format!("{id}_"),
        &format!("{key}x"),
        &key[1..],
    ] {
        assert_eq!(ask(wrong).await, None, "{wrong}");
    }

    let ada = register(&app, "ada@example.org").await;
    let (_, key) = make(&app, &ada, &["users.read", "profile.read"]).await;
    let principal = ask(&key).await.unwrap();
    assert!(
        principal.permissions.is_empty(),
        "a scope gives nothing that its owner has not"
    );
    assert_eq!(principal.scopes, ["profile.read", "users.read"]);
    give(&app, &root, ada.id, "admin").await.expect(204);
    assert_eq!(
        ask(&key).await.unwrap().permissions,
        ["profile.read", "users.read"]
    );
}

#[db_test]
async fn the_names_of_a_registration_are_told_at_once_and_go_with_the_account(app: App) {
    let ask = async |id: &str| {
        let request = RegistrationRequest {
            user_id: id.to_owned(),
        };
        client(&app)
            .registration(request)
            .await
            .unwrap()
            .into_inner()
            .names
    };
    let body = json!({ "email": "ada@example.org", "password": PASSWORD, "first_name": "Ada" });
    let call = app.post("/api/v1/auth/register").json(&body);
    let ada = SignedIn::of(&call.send().await.expect(201));
    let names = ask(&ada.id.to_string()).await.unwrap();
    assert_eq!(
        (names.first_name.as_deref(), names.last_name),
        (Some("Ada"), None)
    );
    let nameless = register(&app, "bob@example.org").await;
    assert_eq!(ask(&nameless.id.to_string()).await, None);

    let call = app.delete("/api/v1/auth/account").bearer(&ada.access);
    call.json(&json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    assert_eq!(ask(&ada.id.to_string()).await, None);
}

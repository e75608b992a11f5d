//! What other services know of memberships.

use serde_json::json;
use stoa_auth_api::{Access, v1::MembershipRequest};
use stoa_db::db_test;
use stoa_kernel::{
    Action, Memberships, OrganizationId, OrganizationRole, Principal, PrincipalKind, Reason, Resource,
};
use stoa_testkit::assert_problem;

use super::{App, add, delete, found, verified};
use crate::{register, rpc::client};

const WRITE: Action<'static> = Action {
    name: "files.write",
    organization_roles: &[OrganizationRole::Member, OrganizationRole::Owner],
};

#[db_test]
async fn a_membership_that_is_not_in_the_token_is_asked_of_auth(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let organization: OrganizationId = id.parse().unwrap();
    let file = Resource::owned("file", app.new_user().uuid(), organization);
    let access = Access::new(&app.env().rpc);
    for (more, reason) in [(true, Reason::Membership), (false, Reason::NoRule)] {
        let principal = Principal {
            memberships: Memberships {
                listed: Vec::new(),
                more,
            },
            ..Principal::new(PrincipalKind::User, ada.id)
        };
        let decision = access.allow(&principal, WRITE, &file).await.unwrap();
        assert_eq!(decision.reason, reason);
    }
}

#[db_test]
async fn auth_tells_what_somebody_is_in_an_organization(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let eve = register(&app, "eve@example.org").await;
    let role = async |user: String, organization: String| {
        let request = MembershipRequest {
            user_id: user,
            organization_id: organization,
        };
        let answer = client(&app).membership(request).await.unwrap();
        answer.into_inner().role
    };
    assert_eq!(
        role(ada.id.to_string(), id.clone()).await.as_deref(),
        Some("owner")
    );
    assert_eq!(role(eve.id.to_string(), id.clone()).await, None);
    delete(&app, &ada, &id).await.expect(200);
    assert_eq!(role(ada.id.to_string(), id).await, None);
}

#[db_test]
async fn explain_knows_memberships_and_who_the_owner_is(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "guest").await;
    let explain = async |by: &crate::SignedIn, body: serde_json::Value| {
        let call = app.post("/api/v1/auth/explain").bearer(&by.access);
        call.json(&body).send().await
    };
    let asked = json!({ "action": "members.read", "resource_kind": "member", "owner_organization_id": id });
    let answer = explain(&ada, asked.clone()).await.expect(200).value();
    assert_eq!(
        (&answer["allowed"], &answer["reason"]),
        (&json!(true), &json!("membership"))
    );
    let answer = explain(&bob, asked.clone()).await.expect(200).value();
    assert_eq!(
        (&answer["allowed"], &answer["reason"]),
        (&json!(false), &json!("no_rule"))
    );
    let mut both = asked;
    both["owner_id"] = json!(ada.id);
    let answer = explain(&ada, both).await;
    assert_problem(&answer, 422, "invalid_input", &["owner_organization_id"]);
}

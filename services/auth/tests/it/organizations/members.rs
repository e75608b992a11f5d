//! Members: their roles, their end, and who owns an organization.

use serde_json::json;
use stoa_auth_api::{events::MemberRemoved, v1::ManagersRequest};
use stoa_db::db_test;
use stoa_http::Refused;
use stoa_testkit::assert_problem;
use tonic::Code;

use super::{
    App, NEW, accept, add, again, delete, done_in, found, get, invite, mails_about, members, post, remove,
    reset_password, set_role, update, verified,
};
use crate::{
    PASSWORD, auth, claims, mailed_token, register,
    rpc::client,
    trust::{before_long, elsewhere},
};

stoa_testkit::app!(Few, auth(|config| config.organizations.joined_max = 3));

#[db_test]
async fn roles_are_given_up_to_ones_own_and_only_owners_make_owners(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    let eve = register(&app, "eve@example.org").await;
    let eve = add(&app, &ada, &id, &eve, "eve@example.org", "member").await;
    for (by, user, role) in [
        (&bob, bob.id, "owner"),
        (&bob, eve.id, "owner"),
        (&bob, ada.id, "member"),
        (&eve, bob.id, "guest"),
        (&eve, eve.id, "admin"),
    ] {
        let answer = set_role(&app, by, &id, user, role).await;
        assert_problem(&answer, 403, "organization_role_required", &[]);
    }
    set_role(&app, &bob, &id, eve.id, "admin").await.expect(204);
    assert_eq!(claims(&again(&app, &eve).await.access)["orgs"][0][1], "admin");
    let answer = set_role(&app, &ada, &id, app.new_user(), "guest").await;
    assert_problem(&answer, 404, "not_found", &[]);
    let page = get(&app, &ada, &format!("/{id}/members?role=admin"))
        .await
        .expect(200)
        .value();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
}

#[db_test]
async fn the_last_owner_stays_until_there_is_another(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "guest").await;
    assert_problem(&remove(&app, &ada, &id, ada.id).await, 409, "last_owner", &[]);
    assert_problem(
        &set_role(&app, &ada, &id, ada.id, "admin").await,
        409,
        "last_owner",
        &[],
    );

    let transfer = format!("/{id}/transfer");
    let body = json!({ "user_id": bob.id, "password": PASSWORD });
    assert_problem(
        &post(&app, &bob, &transfer, &body).await,
        403,
        "organization_role_required",
        &[],
    );
    let wrong = json!({ "user_id": bob.id, "password": "not my password" });
    let answer = post(&app, &ada, &transfer, &wrong).await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    for nobody in [app.new_user(), ada.id] {
        let body = json!({ "user_id": nobody, "password": PASSWORD });
        assert_problem(&post(&app, &ada, &transfer, &body).await, 404, "not_found", &[]);
    }
    post(&app, &ada, &transfer, &body).await.expect(204);
    let (ada, bob) = (again(&app, &ada).await, again(&app, &bob).await);
    let roles: Vec<_> = members(&app, &bob, &id)
        .await
        .into_iter()
        .map(|(_, role)| role)
        .collect();
    assert_eq!(roles, ["admin", "owner"]);
    remove(&app, &ada, &id, ada.id).await.expect(204);
    assert_eq!(members(&app, &bob, &id).await.len(), 1);
}

#[db_test]
async fn a_membership_that_ends_is_refused_everywhere_within_a_second(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (one, ada) = found(&app, &ada, "One").await;
    let (two, ada) = found(&app, &ada, "Two").await;
    let bob = verified(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &one, &bob, "bob@example.org", "admin").await;
    let bob = add(&app, &ada, &two, &bob, "bob@example.org", "member").await;
    let (verifier, _feed) = elsewhere(&app).await;
    assert!(verifier.verify(&bob.access).is_ok());
    invite(&app, &bob, &one, "eve@example.org", "guest")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;

    remove(&app, &ada, &one, bob.id).await.expect(204);
    assert_eq!(before_long(&verifier, &bob.access).await, Refused::Stale);
    let bob = again(&app, &bob).await;
    assert_eq!(claims(&bob.access)["orgs"].as_array().unwrap().len(), 1);
    assert_problem(
        &get(&app, &bob, &format!("/{one}/members")).await,
        404,
        "not_found",
        &[],
    );
    assert_eq!(
        members(&app, &bob, &two).await.len(),
        2,
        "the other organization is not concerned"
    );
    let offer = app.get(&format!("/api/v1/auth/invitations/{token}")).send().await;
    assert_problem(&offer, 422, "invitation_invalid", &[]);
    assert_problem(&remove(&app, &ada, &one, bob.id).await, 404, "not_found", &[]);
    assert_eq!(done_in(&app, &ada, &one).await[0], "member.remove");
    app.settle().await;
    assert_eq!(app.emitted_one::<MemberRemoved>(|_| true).await.user_id, bob.id);
}

#[db_test]
async fn two_owners_who_step_down_at_once_leave_one_behind(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "owner").await;
    let step_down = async |person: &crate::SignedIn| {
        let answer = set_role(&app, person, &id, person.id, "admin").await;
        answer.status()
    };
    let (one, two) = tokio::join!(step_down(&ada), step_down(&bob));
    let mut statuses = [one, two];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
}

#[db_test]
async fn the_audit_log_of_an_organization_is_for_its_admins_and_without_addresses(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "member").await;
    assert_problem(
        &get(&app, &bob, &format!("/{id}/audit")).await,
        403,
        "organization_role_required",
        &[],
    );
    let page = get(&app, &ada, &format!("/{id}/audit")).await.expect(200).value();
    let entries = page["items"].as_array().unwrap();
    assert!(
        entries
            .iter()
            .all(|entry| entry["organization_id"] == json!(id) && entry["address"].is_null())
    );
    assert_eq!(
        done_in(&app, &ada, &id).await,
        ["invitation.accept", "invitation.create", "organization.create"]
    );
    let first = get(&app, &ada, &format!("/{id}/audit?limit=2"))
        .await
        .expect(200)
        .value();
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = get(&app, &ada, &format!("/{id}/audit?cursor={cursor}"))
        .await
        .expect(200)
        .value();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

/// A stolen session makes no owner and no admin, and unmakes no owner.
#[db_test]
async fn owners_and_admins_are_made_with_a_password(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    let refused = async |by: &crate::SignedIn, user, role: &str| {
        for (password, code) in [(None, "required"), (Some("a wrong one"), "wrong_password")] {
            let body = json!({ "role": role, "password": password });
            let answer = update(&app, by, &id, user, &body).await;
            assert_problem(&answer, 422, "invalid_input", &["password"]);
            assert_eq!(answer.value()["errors"][0]["code"], code);
        }
    };
    refused(&ada, bob.id, "owner").await;
    // Nobody but owners is asked for a password.
    let body = json!({ "role": "owner" });
    let answer = update(&app, &bob, &id, bob.id, &body).await;
    assert_problem(&answer, 403, "organization_role_required", &[]);
    set_role(&app, &ada, &id, bob.id, "owner").await.expect(204);
    let bob = again(&app, &bob).await;
    refused(&bob, ada.id, "member").await;
    refused(&bob, bob.id, "member").await;
    for user in [ada.id, bob.id] {
        let answer = remove(&app, &bob, &id, user).await;
        assert_problem(&answer, 409, "member_is_owner", &[]);
    }
    let invite = json!({ "email": "eve@example.org", "role": "owner" });
    let answer = post(&app, &bob, &format!("/{id}/invitations"), &invite).await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    // So does an admin, who can invite others and make keys. Lesser roles need none.
    let eve = register(&app, "eve@example.org").await;
    let eve = add(&app, &ada, &id, &eve, "eve@example.org", "guest").await;
    update(&app, &bob, &id, eve.id, &json!({ "role": "member" }))
        .await
        .expect(204);
    refused(&bob, eve.id, "admin").await;
    let invite = json!({ "email": "new@example.org", "role": "admin" });
    let answer = post(&app, &bob, &format!("/{id}/invitations"), &invite).await;
    assert_problem(&answer, 422, "invalid_input", &["password"]);
    set_role(&app, &bob, &id, eve.id, "admin").await.expect(204);
    update(&app, &bob, &id, eve.id, &json!({ "role": "guest" }))
        .await
        .expect(204);
    assert_eq!(members(&app, &bob, &id).await[0].1, "owner");
}

#[db_test]
async fn all_owners_are_told_who_is_one_and_who_is_no_longer(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    set_role(&app, &ada, &id, bob.id, "owner").await.expect(204);
    let added = mails_about(&app, "Engines at Stoa has a new owner").await;
    assert_eq!(added.len(), 2);
    assert_eq!(
        (&*added[0].0, &*added[1].0),
        ("ada@example.org", "bob@example.org")
    );
    let text = &added[0].1;
    assert!(
        text.contains("bob@example.org is an owner now. ada@example.org did this."),
        "{text}"
    );
    let bob = again(&app, &bob).await;
    set_role(&app, &bob, &id, ada.id, "member").await.expect(204);
    let removed = mails_about(&app, "no longer an owner").await;
    assert_eq!(removed.len(), 2, "also the one who was");
    delete(&app, &bob, &id).await.expect(200);
    let deleted = mails_about(&app, "was deleted").await;
    assert_eq!(deleted.len(), 1);
    let text = &deleted[0].1;
    assert!(
        text.contains("bob@example.org has deleted it.") && text.contains("an owner can restore it"),
        "{text}"
    );
}

#[db_test]
async fn owners_are_told_of_one_who_was_invited_and_of_one_who_is_erased(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "owner").await;
    let added = mails_about(&app, "has a new owner").await;
    let to = added.iter().map(|(to, _)| &**to).collect::<Vec<_>>();
    assert_eq!(to, ["ada@example.org", "bob@example.org"]);
    let call = app.delete("/api/v1/auth/account").bearer(&bob.access);
    call.json(&json!({ "password": PASSWORD }))
        .send()
        .await
        .expect(204);
    let removed = mails_about(&app, "no longer an owner").await;
    assert_eq!((removed.len(), &*removed[0].0), (1, "ada@example.org"));
}

/// What somebody with a stolen session has sent out does not outlive the reset.
#[db_test]
async fn a_reset_ends_invitations_claims_and_keys_and_tells_the_owners(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = verified(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "owner").await;
    let eve = register(&app, "eve@example.org").await;
    invite(&app, &bob, &id, "eve@example.org", "guest")
        .await
        .expect(201);
    let invitation = mailed_token(&app, "invited").await;
    let claim =
        json!({ "domain": "evil.example", "mailbox": "admin", "role": "guest", "password": PASSWORD });
    post(&app, &bob, &format!("/{id}/domains"), &claim)
        .await
        .expect(201);
    let domain = mailed_token(&app, "evil.example").await;
    let key = json!({ "name": "k", "role": "member", "scopes": ["members.read"], "password": PASSWORD });
    post(&app, &bob, &format!("/{id}/api-keys"), &key)
        .await
        .expect(201);

    reset_password(&app, "bob@example.org").await;
    let answer = accept(&app, &eve, &invitation).await;
    assert_problem(&answer, 422, "invitation_invalid", &[]);
    let call = app
        .post("/api/v1/auth/domains/verify")
        .json(&json!({ "token": domain }));
    assert_problem(&call.send().await, 422, "link_invalid", &[]);
    let ended = mails_about(&app, "API keys of Engines").await;
    assert_eq!(ended.len(), 2, "both owners");
}

/// Who registers an address that is not theirs leaves nothing behind that keeps its owner out of organizations.
#[db_test]
async fn a_first_reset_deletes_the_organizations_of_who_registered_the_address(app: Few) {
    let mut squatter = register(&app, "bob@example.org").await;
    for name in ["one", "two", "three"] {
        (_, squatter) = found(&app, &squatter, name).await;
    }
    reset_password(&app, "bob@example.org").await;
    let bob = crate::SignedIn::of(&crate::login(&app, "bob@example.org", NEW).await.expect(200));
    let mine = get(&app, &bob, "").await.expect(200).value();
    let deleted = mine["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| !one["purge_at"].is_null());
    assert_eq!(deleted.count(), 3);
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    add(&app, &ada, &id, &bob, "bob@example.org", "member").await;
}

#[db_test]
async fn a_member_leaves_a_deleted_organization(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "member").await;
    delete(&app, &ada, &id).await.expect(200);
    let bob = again(&app, &bob).await;
    remove(&app, &bob, &id, bob.id).await.expect(204);
    let bob = again(&app, &bob).await;
    assert_eq!(get(&app, &bob, "").await.expect(200).value()["items"], json!([]));
}

/// An invitation to become an owner ends when the owner who sent it is one no longer.
#[db_test]
async fn an_invitation_of_an_owner_does_not_revive(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = verified(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "owner").await;
    let eve = register(&app, "eve@example.org").await;
    invite(&app, &bob, &id, "eve@example.org", "owner")
        .await
        .expect(201);
    let token = mailed_token(&app, "invited").await;
    set_role(&app, &ada, &id, bob.id, "admin").await.expect(204);
    set_role(&app, &ada, &id, bob.id, "owner").await.expect(204);
    assert_problem(&accept(&app, &eve, &token).await, 422, "invitation_invalid", &[]);
}

#[db_test]
async fn other_services_ask_who_manages_an_organization(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let mut people = Vec::new();
    for (email, role) in [
        ("bob@example.org", "admin"),
        ("cid@example.org", "member"),
        ("dot@example.org", "admin"),
    ] {
        let person = register(&app, email).await;
        people.push(add(&app, &ada, &id, &person, email, role).await);
    }
    set_role(&app, &ada, &id, people[2].id, "owner").await.expect(204);
    let ask = async |id: &str| {
        let organization_id = id.to_owned();
        let mut auth = client(&app);
        let answer = auth.managers(ManagersRequest { organization_id }).await;
        answer.map(|answer| answer.into_inner().user_ids)
    };
    let expected = [ada.id, people[2].id, people[0].id].map(|id| id.to_string());
    assert_eq!(ask(&id).await.unwrap(), expected, "the owners first");
    assert!(ask(&app.new_organization().to_string()).await.unwrap().is_empty());
    assert_eq!(ask("x").await.unwrap_err().code(), Code::InvalidArgument);
    delete(&app, &ada, &id).await.expect(200);
    assert!(ask(&id).await.unwrap().is_empty());
}

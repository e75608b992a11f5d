//! Members: their roles, their end, and who owns an organization.

use serde_json::json;
use stoa_auth_api::events::MemberRemoved;
use stoa_db::db_test;
use stoa_http::Refused;
use stoa_testkit::assert_problem;

use super::{
    App, add, again, delete, done_in, found, get, invite, members, post, remove, set_role, update, verified,
};
use crate::{
    PASSWORD, claims, mailed_token, register,
    trust::{before_long, elsewhere},
};

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
    assert_eq!(app.heard_one::<MemberRemoved>(|_| true).await.user_id, bob.id);
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

/// A stolen session makes no owner and unmakes none.
#[db_test]
async fn owners_are_made_and_unmade_with_a_password(app: App) {
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
    // Other roles need none.
    let eve = register(&app, "eve@example.org").await;
    let eve = add(&app, &ada, &id, &eve, "eve@example.org", "member").await;
    let body = json!({ "role": "admin" });
    update(&app, &bob, &id, eve.id, &body).await.expect(204);
    assert_eq!(members(&app, &bob, &id).await[0].1, "owner");
}

#[db_test]
async fn all_owners_are_told_who_is_one_and_who_is_no_longer(app: App) {
    let ada = verified(&app, "ada@example.org").await;
    let (id, ada) = found(&app, &ada, "Engines").await;
    let bob = register(&app, "bob@example.org").await;
    let bob = add(&app, &ada, &id, &bob, "bob@example.org", "admin").await;
    let told = async |subject: &str| {
        app.settle().await;
        let mails = app.mails().await;
        let about = mails.into_iter().filter(|mail| mail.subject.contains(subject));
        let mut to: Vec<_> = about.map(|mail| (mail.to, mail.text)).collect();
        to.sort();
        to
    };
    set_role(&app, &ada, &id, bob.id, "owner").await.expect(204);
    let added = told("Engines at Stoa has a new owner").await;
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
    let removed = told("one owner less").await;
    assert_eq!(removed.len(), 2, "also the one who was");
    delete(&app, &bob, &id).await.expect(200);
    let deleted = told("was deleted").await;
    assert_eq!(deleted.len(), 1);
    let text = &deleted[0].1;
    assert!(
        text.contains("bob@example.org has deleted it.") && text.contains("an owner can restore it"),
        "{text}"
    );
}

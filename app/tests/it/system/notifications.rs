//! What people are told: from the commit that it follows from to their mailbox and their inbox.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    System, email,
    journey::mails_to,
    organizations::{again, with_member},
    people::{read, send},
};
use crate::stoa::{Caller, token};

/// Titles of somebody's inbox, once there are so many.
async fn inbox(stoa: &Caller, token: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let page = read(stoa, "/api/v1/notifications", token).await;
        let items = page["items"].as_array().unwrap().clone();
        if items.len() >= count {
            return items;
        }
        assert!(Instant::now() < deadline, "{items:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_is_welcomed_once_by_mail_and_in_the_inbox() {
    let stoa = System::start().await;
    let ada = email("ada");
    let registered = stoa.register(&ada).await;
    let items = inbox(&stoa, token(&registered), 1).await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["type"], "account.welcome");
    assert_eq!(items[0]["body"], "Hello Ada, your account is ready.");
    let deadline = Instant::now() + Duration::from_secs(20);
    let welcomes = async || {
        let mails = mails_to(&stoa, &ada).await;
        let is_welcome = |mail: &&Value| mail["subject"] == "Welcome to Stoa";
        mails.iter().filter(is_welcome).count()
    };
    while welcomes().await == 0 {
        assert!(Instant::now() < deadline, "no welcome to {ada}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let path = format!("/api/v1/notifications/{}", items[0]["id"].as_str().unwrap());
    let change = json!({"read": true});
    send(&stoa, Method::PATCH, &path, token(&registered), change, 200).await;
    let count = read(&stoa, "/api/v1/notifications/count", token(&registered)).await;
    assert_eq!(count, json!({"unread": 0, "total": 1}));
    assert_eq!(welcomes().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_role_is_changed_finds_it_in_their_inbox() {
    let stoa = System::start().await;
    let (owner, id, member) = with_member(&stoa, &email("owner"), &email("member")).await;
    let user = member["user"]["id"].as_str().unwrap();
    let path = format!("/api/v1/auth/organizations/{id}/members/{user}");
    send(
        &stoa,
        Method::PATCH,
        &path,
        token(&owner),
        json!({"role": "guest"}),
        204,
    )
    .await;
    let member = again(&stoa, &member).await;
    let items = inbox(&stoa, token(&member), 2).await;
    let told = items
        .iter()
        .find(|item| item["type"] == "organization.role_changed")
        .unwrap();
    assert_eq!(told["body"], "Your role is guest now.");
}

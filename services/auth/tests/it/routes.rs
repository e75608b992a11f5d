//! Every endpoint, whatever it does.

use stoa_db::db_test;
use stoa_http::openapi::Access;
use stoa_testkit::assert_problem;

use crate::{App, register};

/// The path with an id in the place of each parameter.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        if part.starts_with('{') {
            "01890000-0000-7000-8000-000000000000"
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

#[db_test]
async fn every_endpoint_says_who_may_call_it_and_holds_to_it(app: App) {
    let ada = register(&app, "ada@example.org").await;
    for route in app.routes() {
        let call = || app.call(route.method.clone(), &filled(&route.path));
        match &route.access {
            Access::Unstated => panic!("{} {} does not say who may call it", route.method, route.path),
            Access::Public => assert_ne!(call().send().await.problem_code(), "unauthenticated"),
            Access::SignedIn => assert_problem(&call().send().await, 401, "unauthenticated", &[]),
            Access::Permission(_) => {
                assert_problem(&call().send().await, 401, "unauthenticated", &[]);
                assert_problem(&call().bearer(&ada.access).send().await, 403, "forbidden", &[]);
            }
        }
    }
}

#[db_test]
async fn bad_bodies_are_refused_and_never_a_fault_of_ours(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let bodies = [
        "",
        "null",
        "[]",
        "{",
        "{\"x\":1}",
        "\"\\u0000\"",
        "{\"email\":\"\\u0000\",\"password\":\"x\"}",
        "1e999",
    ];
    for (path, item) in &app.openapi().paths.paths {
        let takes_body = item
            .post
            .as_ref()
            .is_some_and(|operation| operation.request_body.is_some());
        for body in bodies.into_iter().filter(|_| takes_body) {
            let call = app.post(&filled(path)).bearer(&ada.access);
            let answer = call.body("application/json", body).send().await;
            let refused = (400..500).contains(&answer.status());
            assert!(refused, "{path} {body}: {} {}", answer.status(), answer.text());
        }
    }
}

trait ProblemCode {
    fn problem_code(&self) -> String;
}

impl ProblemCode for stoa_testkit::Answer {
    fn problem_code(&self) -> String {
        if self.status() < 400 {
            String::new()
        } else {
            self.problem().code.into_owned()
        }
    }
}

#[db_test]
async fn the_description_is_whole(app: App) {
    for (path, item) in &app.openapi().paths.paths {
        let operations = [&item.get, &item.put, &item.post, &item.patch, &item.delete];
        for operation in operations.into_iter().flatten() {
            let id = operation.operation_id.as_deref().unwrap_or_default();
            assert!(id.starts_with("auth_"), "{path}: {id}");
            assert!(operation.summary.is_some(), "{path} has no summary");
            assert_eq!(
                operation.tags.as_deref(),
                Some(&["auth".to_owned()][..]),
                "{path}"
            );
        }
    }
}

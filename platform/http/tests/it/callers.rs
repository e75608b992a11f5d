//! Who may call, by which credentials.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get as on_get,
};
use http::Method;
use stoa_http::{
    Actor, Anyone, Claims, KeyAnswer, KeyAuthority, Person, RequestFacts, RequestInfo, SignedIn, TokenSigner,
    Verifier, admit, csrf_claim, owned, permission, scope,
};
use stoa_kernel::{Clock, Id, OrganizationId, Permissions, Principal, PrincipalKind};

use crate::{Answer, request, send};

permission!(
    /// Reads any user.
    UsersRead = "users.read"
);
scope!(ProfileWrite = "profile.write");
owned!(OursWrite = "ours.write", [Member]);

#[derive(Clone)]
struct Edge {
    verifier: Verifier,
    keys: Arc<Keys>,
}

struct Keys(HashMap<String, Arc<Principal>>);

impl KeyAuthority for Keys {
    fn authenticate<'a>(&'a self, key: &'a str) -> KeyAnswer<'a> {
        Box::pin(async move { Ok(self.0.get(key).cloned()) })
    }
}

async fn edge(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(RequestInfo(Arc::new(RequestFacts {
        request_id: "r1".to_owned(),
        traceparent: String::new(),
        address: [127, 0, 0, 1].into(),
        user_agent: None,
        secure: false,
    })));
    admit(&mut parts, &edge.verifier, Some(&*edge.keys)).await;
    next.run(Request::from_parts(parts, body)).await
}

struct Fixture {
    clock: Clock,
    signer: TokenSigner,
    verifier: Verifier,
    router: Router,
}

fn fixture() -> Fixture {
    let clock = Clock::adjustable();
    let signer = TokenSigner::new("k1", &[7; 32]);
    let verifier = Verifier::new("stoa", clock.clone());
    verifier.set_keys(vec![signer.verifying_key()]);
    let key = |scopes: &[&str]| {
        Arc::new(Principal {
            permissions: Permissions::new(scopes.iter().copied()),
            scopes: Some(Permissions::new(scopes.iter().copied())),
            ..Principal::new(PrincipalKind::ApiKey, Id::new(&clock))
        })
    };
    let organization: OrganizationId = Id::new(&clock);
    let of_organization = Arc::new(Principal {
        organization_id: Some(organization),
        permissions: Permissions::default(),
        ..(*key(&["users.read", "profile.write", "ours.write"])).clone()
    });
    let keys = [
        ("stoa_key_narrow", key(&[])),
        ("stoa_key_wide", key(&["users.read", "profile.write"])),
        ("stoa_key_organization", of_organization),
    ];
    let keys = Arc::new(Keys(
        keys.map(|(name, principal)| (name.to_owned(), principal)).into(),
    ));
    let greet = async |caller: Anyone| {
        if caller.principal.is_some() {
            "known"
        } else {
            "anonymous"
        }
    };
    let router = Router::new()
        .route("/public", on_get(greet).post(greet))
        .route(
            "/caller",
            on_get(async |_: Actor<SignedIn>| "in").post(async |_: Actor<SignedIn>| "in"),
        )
        .route("/permit", on_get(async |_: Actor<UsersRead>| "in"))
        .route("/own", on_get(async |_: Actor<ProfileWrite>| "in"))
        .route("/ours", on_get(async |_: Actor<OursWrite>| "in"))
        .route("/person", on_get(async |_: Actor<Person>| "in"))
        .layer(middleware::from_fn_with_state(
            Edge {
                verifier: verifier.clone(),
                keys,
            },
            edge,
        ));
    Fixture {
        clock,
        signer,
        verifier,
        router,
    }
}

impl Fixture {
    fn claims(&self, permissions: &[&str]) -> Claims {
        let now = self.clock.now().as_second();
        Claims {
            iss: "stoa".to_owned(),
            aud: Some("stoa".to_owned()),
            sub: Id::new(&self.clock),
            sid: Id::new(&self.clock),
            iat: now,
            exp: now + 3600,
            ver: 0,
            roles: Vec::new(),
            role_vers: Vec::new(),
            perms: permissions.iter().map(|&name| name.to_owned()).collect(),
            orgs: Vec::new(),
            more_orgs: false,
            csrf: None,
        }
    }

    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = headers
            .iter()
            .fold(request(method, path), |request, (name, value)| {
                request.header(*name, *value)
            });
        send(&self.router, request.body(Body::empty()).unwrap()).await
    }

    /// Status and, for a problem, code.
    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        brief(&self.call(Method::GET, path, headers).await)
    }
}

fn brief(answer: &Answer) -> (u16, String) {
    (
        answer.status.as_u16(),
        answer.body["code"].as_str().unwrap_or_default().to_owned(),
    )
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn without_credentials_only_public_routes_answer() {
    let fixture = fixture();
    assert_eq!(fixture.get("/public", &[]).await, is(200, ""));
    for path in ["/caller", "/permit", "/own", "/person"] {
        let answer = fixture.call(Method::GET, path, &[]).await;
        assert_eq!(brief(&answer), is(401, "unauthenticated"));
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(answer.body["title"], "Sign in first");
    }
}

#[tokio::test]
async fn a_bearer_token_lets_in_by_permission() {
    let fixture = fixture();
    let bearer =
        |permissions: &[&str]| format!("Bearer {}", fixture.signer.sign(&fixture.claims(permissions)));
    let (plain, reader) = (bearer(&[]), bearer(&["users.*"]));
    for path in ["/caller", "/own", "/person"] {
        assert_eq!(fixture.get(path, &[("authorization", &plain)]).await, is(200, ""));
    }
    let refused = fixture
        .call(Method::GET, "/permit", &[("authorization", &plain)])
        .await;
    assert_eq!(brief(&refused), is(403, "forbidden"));
    assert_eq!(refused.body["detail"], "This needs the permission users.read.");
    assert_eq!(
        fixture.get("/permit", &[("authorization", &reader)]).await,
        is(200, "")
    );
    let in_other_letters = reader.replacen("Bearer", "bEARER", 1);
    assert_eq!(
        fixture
            .get("/permit", &[("authorization", &in_other_letters)])
            .await,
        is(200, "")
    );
}

#[tokio::test]
async fn bad_tokens_are_told_apart_and_keep_nobody_from_public_routes() {
    let fixture = fixture();
    let claims = fixture.claims(&[]);
    let bearer = |claims: &Claims| format!("Bearer {}", fixture.signer.sign(claims));
    let expired = bearer(&Claims {
        exp: claims.iat - 1,
        ..claims.clone()
    });
    let revoked = fixture.claims(&[]);
    let stale = fixture.claims(&[]);
    let until = fixture.clock.after(Duration::from_secs(3600));
    fixture.verifier.revoke_session(revoked.sid, until);
    fixture.verifier.raise_version(stale.sub, 1, until);
    let cases = [
        (expired, "token_expired"),
        (bearer(&revoked), "token_revoked"),
        (bearer(&stale), "token_stale"),
        ("Bearer nonsense".to_owned(), "unauthenticated"),
        ("Bearer ".to_owned(), "unauthenticated"),
        ("Bearer stoa_key_unknown".to_owned(), "unauthenticated"),
    ];
    for (authorization, code) in cases {
        let headers = [("authorization", authorization.as_str())];
        let answer = fixture.call(Method::GET, "/caller", &headers).await;
        assert_eq!(brief(&answer), is(401, code), "{authorization}");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer error=\"invalid_token\""
        );
        assert_eq!(
            fixture.get("/public", &headers).await,
            is(200, ""),
            "{authorization}"
        );
    }
}

/// A proxy in front may ask for a password of its own.
#[tokio::test]
async fn another_scheme_than_bearer_is_as_if_it_were_not_there() {
    let fixture = fixture();
    let claims = Claims {
        csrf: Some(csrf_claim("c")),
        ..fixture.claims(&[])
    };
    let cookie = format!("stoa_access={}", fixture.signer.sign(&claims));
    let basic = ("authorization", "Basic dXNlcjpwYXNz");
    let with_cookie = [basic, ("cookie", &cookie)];
    assert_eq!(fixture.get("/caller", &with_cookie).await, is(200, ""));
    let answer = fixture.call(Method::GET, "/caller", &[basic]).await;
    assert_eq!(brief(&answer), is(401, "unauthenticated"));
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn an_organizations_key_passes_only_where_one_acts_for_an_organization() {
    let fixture = fixture();
    let key = [("x-api-key", "stoa_key_organization")];
    assert_eq!(fixture.get("/ours", &key).await, is(200, ""));
    // Each of these scopes it has.
    for path in ["/own", "/permit", "/person"] {
        assert_eq!(fixture.get(path, &key).await, is(403, "forbidden"), "{path}");
    }
    let wide = [("x-api-key", "stoa_key_wide")];
    assert_eq!(fixture.get("/ours", &wide).await, is(403, "forbidden"));
}

#[tokio::test]
async fn an_api_key_acts_within_its_scopes() {
    let fixture = fixture();
    for (name, prefix) in [("authorization", "Bearer "), ("x-api-key", "")] {
        let (narrow, wide) = (
            format!("{prefix}stoa_key_narrow"),
            format!("{prefix}stoa_key_wide"),
        );
        assert_eq!(fixture.get("/caller", &[(name, &narrow)]).await, is(200, ""));
        assert_eq!(
            fixture.get("/permit", &[(name, &narrow)]).await,
            is(403, "forbidden")
        );
        assert_eq!(
            fixture.get("/own", &[(name, &narrow)]).await,
            is(403, "forbidden")
        );
        assert_eq!(fixture.get("/permit", &[(name, &wide)]).await, is(200, ""));
        assert_eq!(fixture.get("/own", &[(name, &wide)]).await, is(200, ""));
        assert_eq!(
            fixture.get("/person", &[(name, &wide)]).await,
            is(403, "forbidden")
        );
    }
    assert_eq!(
        fixture.get("/caller", &[("x-api-key", "stoa_key_unknown")]).await,
        is(401, "unauthenticated")
    );
    assert_eq!(
        fixture.get("/caller", &[("x-api-key", "something")]).await,
        is(401, "unauthenticated")
    );
}

#[tokio::test]
async fn a_cookie_needs_its_csrf_token_where_something_may_change() {
    let fixture = fixture();
    let claims = Claims {
        csrf: Some(csrf_claim("right")),
        ..fixture.claims(&[])
    };
    let access = fixture.signer.sign(&claims);
    let cookies = |csrf: &str| format!("stoa_access={access}; stoa_csrf={csrf}");
    let right = cookies("right");
    assert_eq!(fixture.get("/caller", &[("cookie", &right)]).await, is(200, ""));
    let post = async |cookies: &str, header: Option<&str>| {
        let mut headers = vec![("cookie", cookies)];
        headers.extend(header.map(|value| ("x-csrf-token", value)));
        brief(&fixture.call(Method::POST, "/caller", &headers).await)
    };
    assert_eq!(post(&right, Some("right")).await, is(200, ""));
    assert_eq!(post(&right, None).await, is(403, "csrf_mismatch"));
    assert_eq!(post(&right, Some("wrong")).await, is(403, "csrf_mismatch"));
    assert_eq!(
        post(&cookies("wrong"), Some("right")).await,
        is(403, "csrf_mismatch")
    );
    // An attacker who can set cookies, such as from a sister domain, still lacks the token of this session.
    assert_eq!(
        post(&cookies("planted"), Some("planted")).await,
        is(403, "csrf_mismatch")
    );
    assert_eq!(
        post(&format!("stoa_access={access}"), Some("right")).await,
        is(403, "csrf_mismatch")
    );
}

#[tokio::test]
async fn a_token_is_good_only_where_it_belongs() {
    let fixture = fixture();
    let for_cookie = fixture.signer.sign(&Claims {
        csrf: Some(csrf_claim("c")),
        ..fixture.claims(&[])
    });
    let for_bearer = fixture.signer.sign(&fixture.claims(&[]));
    let bearer = format!("Bearer {for_cookie}");
    assert_eq!(
        fixture.get("/caller", &[("authorization", &bearer)]).await,
        is(401, "unauthenticated")
    );
    let cookie = format!("stoa_access={for_bearer}");
    assert_eq!(
        fixture.get("/caller", &[("cookie", &cookie)]).await,
        is(401, "unauthenticated")
    );
}

#[tokio::test]
async fn a_bad_cookie_does_not_keep_anybody_from_signing_in_again() {
    let fixture = fixture();
    let claims = Claims {
        csrf: Some(csrf_claim("c")),
        ..fixture.claims(&[])
    };
    let cookie = format!("stoa_access={}", fixture.signer.sign(&claims));
    assert_eq!(fixture.get("/caller", &[("cookie", &cookie)]).await, is(200, ""));
    assert_eq!(
        brief(
            &fixture
                .call(Method::POST, "/public", &[("cookie", &cookie)])
                .await
        ),
        is(200, "")
    );
    fixture
        .verifier
        .revoke_session(claims.sid, fixture.clock.after(Duration::from_secs(3600)));
    assert_eq!(
        fixture.get("/caller", &[("cookie", &cookie)]).await,
        is(401, "token_revoked")
    );
    assert_eq!(fixture.get("/public", &[("cookie", &cookie)]).await, is(200, ""));
}

//! What other processes know of keys and revocations.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use stoa_auth_api::{
    DESCRIPTORS, TrustFeed,
    v1::{
        AuthenticateKeyRequest, AuthenticateKeyResponse, ContactsRequest, ContactsResponse, GrantsRequest,
        GrantsResponse, ManagersRequest, ManagersResponse, MembershipRequest, MembershipResponse,
        PrepareMailRequest, PrepareMailResponse, RegistrationRequest, RegistrationResponse, RevokedSession,
        StandingRequest, StandingResponse, TrustRequest, TrustResponse,
        access_server::{Access, AccessServer},
    },
};
use stoa_db::{Engine, db_test};
use stoa_http::{FORMER_ISSUER, Refused, Verifier};
use stoa_kernel::{Clock, Id, SessionId, UserId};
use stoa_rpc::{Directory, Server};
use stoa_testkit::{TestApp, eventually};
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    App, Cell,
    admin::{give, root, sign_in},
    insert_many, refresh, register,
    rpc::client,
};

/// A verifier as another process has it, once it has heard of the keys.
pub(crate) async fn elsewhere(app: &TestApp) -> (Verifier, TrustFeed) {
    let verifier = Verifier::new(FORMER_ISSUER, app.clock().clone());
    let feed = TrustFeed::start(verifier.clone(), &app.env().rpc);
    eventually("auth answers", async || feed.has_heard()).await;
    (verifier, feed)
}

/// What the verifier says of a token before long: within a second, on a machine that has nothing else to do.
pub(crate) async fn before_long(verifier: &Verifier, token: &str) -> Refused {
    for _ in 0..250 {
        if let Err(refused) = verifier.verify(token) {
            return refused;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the token still works after five seconds");
}

#[db_test]
async fn what_auth_takes_back_is_refused_elsewhere_within_a_second(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let (verifier, feed) = elsewhere(&app).await;
    assert!(feed.failure().is_none());
    assert!(verifier.verify(&ada.access).is_ok());

    give(&app, &root, ada.id, "admin").await.expect(204);
    assert_eq!(before_long(&verifier, &ada.access).await, Refused::Stale);
    app.delete("/api/v1/auth/sessions")
        .bearer(&root.access)
        .send()
        .await
        .expect(204);
    assert_eq!(before_long(&verifier, &root.access).await, Refused::Revoked);

    let (late, _feed) = elsewhere(&app).await;
    assert_eq!(
        late.verify(&root.access).unwrap_err(),
        Refused::Revoked,
        "who comes later is told everything"
    );
}

/// What auth tells of what was revoked after `seq`, to somebody who was given `mark` with it.
async fn trust(app: &TestApp, seq: i64, mark: &[u8]) -> TrustResponse {
    let mark = mark.to_vec();
    let answer = client(app).trust(TrustRequest { seq, mark }).await;
    answer.unwrap().into_inner()
}

#[db_test]
async fn only_what_is_new_is_told(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let before = trust(&app, 0, &[]).await;
    give(&app, &root, ada.id, "admin").await.expect(204);
    let after = trust(&app, before.seq, &before.mark).await;
    assert!(after.seq > before.seq);
    assert_eq!(after.raised_versions.len(), before.raised_versions.len() + 1);
    let nothing = trust(&app, after.seq, &after.mark).await;
    assert_eq!((nothing.seq, nothing.raised_versions.len()), (after.seq, 0));
    assert_eq!(nothing.keys, before.keys);
    let whole = trust(&app, after.seq + 7, &after.mark).await;
    assert_eq!(
        whole.raised_versions, after.raised_versions,
        "a number that is not ours is as good as none"
    );
}

#[db_test]
async fn what_is_revoked_after_a_restore_is_told_to_who_heard_more_before(app: App) {
    let root = root(&app).await;
    let ada = register(&app, "ada@example.org").await;
    let backup = trust(&app, 0, &[]).await.seq;
    give(&app, &root, ada.id, "admin").await.expect(204);
    let heard = trust(&app, 0, &[]).await;
    assert!(heard.seq > backup);
    // As a backup of before has it.
    for sql in [
        "UPDATE revocation_counter SET seq = $1",
        "DELETE FROM raised_versions WHERE seq > $1",
        "DELETE FROM revocation_batches WHERE seq > $1",
    ] {
        app.db().execute(sql, &[&backup]).await.unwrap();
    }
    end_many(&app, 1).await;
    let told = trust(&app, heard.seq, &heard.mark).await;
    assert_eq!(told.seq, heard.seq, "the same number, given to something else");
    assert_ne!(told.mark, heard.mark);
    assert_eq!(told.revoked_sessions.len(), 1);
    let nothing = trust(&app, told.seq, &told.mark).await;
    assert_eq!((nothing.mark, nothing.revoked_sessions.len()), (told.mark, 0));
}

/// Sessions that were ended a moment ago, and whose access tokens live.
async fn end_many(app: &TestApp, count: usize) {
    let until = app.clock().after(Duration::from_secs(3600));
    let row = || -> Vec<Cell> {
        let (session, user): (SessionId, UserId) = (Id::new(app.clock()), Id::new(app.clock()));
        vec![Box::new(session), Box::new(user), Box::new(until)]
    };
    insert_many(
        app.db(),
        "revoked_sessions (session_id, user_id, until)",
        count,
        row,
    )
    .await;
}

#[db_test]
async fn ninety_thousand_live_revocations_are_told_and_a_logout_is_still_refused_everywhere(app: App) {
    let ada = register(&app, "ada@example.org").await;
    let (early, _feed) = elsewhere(&app).await;
    end_many(&app, 90_000).await;
    let (late, _feed) = elsewhere(&app).await;
    for verifier in [&early, &late] {
        assert!(verifier.verify(&ada.access).is_ok());
    }
    app.post("/api/v1/auth/logout")
        .bearer(&ada.access)
        .send()
        .await
        .expect(204);
    for verifier in [&early, &late] {
        assert_eq!(before_long(verifier, &ada.access).await, Refused::Revoked);
    }
}

#[db_test]
async fn pages_tell_everything_once_and_in_order(app: App) {
    end_many(&app, 5_000).await;
    let (mut seq, mut mark) = (0, Vec::new());
    let (mut told, mut pages) = (std::collections::HashSet::new(), 0);
    loop {
        let page = trust(&app, seq, &mark).await;
        assert!(page.seq >= seq);
        (seq, mark) = (page.seq, page.mark);
        pages += 1;
        for one in page.revoked_sessions {
            assert!(told.insert(one.session_id), "told twice");
        }
        if !page.more {
            break;
        }
    }
    assert_eq!(told.len(), 5_000);
    assert!(pages > 1);
}

/// On PostgreSQL; SQLite has one writer, and so nothing to wait for but that.
#[db_test]
async fn nobody_who_signs_in_or_out_waits_for_the_counter(app: App) {
    if app.db().engine() == Engine::Sqlite {
        return;
    }
    let ada = register(&app, "ada@example.org").await;
    let mut holding = app.db().begin().await.unwrap();
    holding
        .execute("UPDATE revocation_counter SET seq = seq WHERE id = 1", &[])
        .await
        .unwrap();
    let ada = crate::SignedIn::of(&refresh(&app, &ada.refresh).await.expect(200));
    let again = sign_in(&app, "ada@example.org").await;
    for access in [&ada.access, &again.access] {
        app.post("/api/v1/auth/logout")
            .bearer(access)
            .send()
            .await
            .expect(204);
    }
    holding.rollback().await;
}

/// An auth that answers as a test says.
struct Scripted<F>(F);

#[tonic::async_trait]
impl<F: Fn(TrustRequest) -> TrustResponse + Send + Sync + 'static> Access for Scripted<F> {
    async fn grants(&self, _: Request<GrantsRequest>) -> Result<Response<GrantsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn authenticate_key(
        &self,
        _: Request<AuthenticateKeyRequest>,
    ) -> Result<Response<AuthenticateKeyResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn standing(&self, _: Request<StandingRequest>) -> Result<Response<StandingResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn membership(
        &self,
        _: Request<MembershipRequest>,
    ) -> Result<Response<MembershipResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn registration(
        &self,
        _: Request<RegistrationRequest>,
    ) -> Result<Response<RegistrationResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn managers(&self, _: Request<ManagersRequest>) -> Result<Response<ManagersResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn contacts(&self, _: Request<ContactsRequest>) -> Result<Response<ContactsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn prepare_mail(
        &self,
        _: Request<PrepareMailRequest>,
    ) -> Result<Response<PrepareMailResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn trust(&self, request: Request<TrustRequest>) -> Result<Response<TrustResponse>, Status> {
        Ok(Response::new((self.0)(request.into_inner())))
    }
}

/// Another process that asks such an auth.
fn follow(answer: impl Fn(TrustRequest) -> TrustResponse + Send + Sync + 'static) -> (Verifier, TrustFeed) {
    let directory = Directory::new();
    let server = Server {
        routes: Routes::new(AccessServer::new(Scripted(answer))),
        descriptors: DESCRIPTORS,
        names: Vec::new(),
    };
    directory.set_local("auth", server);
    let verifier = Verifier::new(FORMER_ISSUER, Clock::system());
    let feed = TrustFeed::start(verifier.clone(), &directory);
    (verifier, feed)
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_says_so() {
    let one = RevokedSession {
        session_id: "0".repeat(1 << 20),
        until: i64::MAX,
    };
    // More than anybody can read.
    let (_, feed) = follow(move |_| TrustResponse {
        revoked_sessions: vec![one.clone(); 5],
        ..TrustResponse::default()
    });
    eventually("the feed fails", async || feed.failure().is_some()).await;
    let (why, _) = feed.failure().unwrap();
    assert!(why.contains("OutOfRange"), "{why}");
    assert!(!feed.has_heard());
}

#[tokio::test]
async fn an_auth_that_has_learnt_of_organizations_is_asked_for_all_that_it_passed_over() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    // The first two answers are of a process of the version before.
    let (_, _feed) = follow(move |request| {
        let mut seen = seen.lock().unwrap();
        seen.push(request.seq);
        TrustResponse {
            seq: 7,
            tells_organizations: seen.len() > 2,
            ..TrustResponse::default()
        }
    });
    eventually("auth is asked five times", async || {
        asked.lock().unwrap().len() >= 5
    })
    .await;
    assert_eq!(asked.lock().unwrap()[..5], [0, 7, 7, 0, 7]);
}

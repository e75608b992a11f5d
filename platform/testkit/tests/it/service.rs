//! A service of notes: one table, two endpoints, one event, one job.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use stoa_db::{Db, Migration, Tx};
use stoa_events::{Channel, Event, Job, JobHandler, Subscription, TxExt};
use stoa_http::{Actor, Json, Result, SignedIn, endpoints};
use stoa_kernel::{Id, UserId};
use stoa_mail::{Headers, Mail, Mailer};
use stoa_service::{Descriptor, Env, Service};
use uuid::Uuid;

const MIGRATIONS: &[Migration] = &[Migration::new(
    "0001_create_notes",
    "CREATE TABLE notes (id UUID PRIMARY KEY, user_id UUID NOT NULL, text TEXT NOT NULL)",
)];

/// Somebody took a note.
#[derive(Serialize, Deserialize, Event)]
#[event(name = "note.taken", key = "user:{user_id}")]
pub(crate) struct NoteTaken {
    pub(crate) user_id: UserId,
    pub(crate) text: String,
}

#[derive(Serialize, Deserialize, Job)]
#[job(name = "notes.send_mail")]
struct SendMail {
    subject: String,
}

#[derive(Deserialize, garde::Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNote {
    #[garde(length(chars, min = 1, max = 100))]
    text: String,
}

async fn insert(tx: &mut Tx, user: UserId, text: &str) -> Result<(), stoa_db::Error> {
    let id: Uuid = Id::<NoteTaken>::new(tx.clock()).uuid();
    tx.execute(
        "INSERT INTO notes (id, user_id, text) VALUES ($1, $2, $3)",
        &[&id, &user, &text],
    )
    .await?;
    Ok(())
}

#[utoipa::path(post, path = "/notes", request_body = NewNote, responses((status = 201)))]
async fn take(actor: Actor<SignedIn>, State(db): State<Db>, Json(note): Json<NewNote>) -> Result<StatusCode> {
    let mut tx = db.begin().await?;
    insert(&mut tx, actor.user_id, &note.text).await?;
    let taken = NoteTaken {
        user_id: actor.user_id,
        text: note.text,
    };
    tx.publish(&Channel::user(actor.user_id), &taken).await?;
    tx.commit().await?;
    Ok(StatusCode::CREATED)
}

#[utoipa::path(get, path = "/notes", responses((status = 200, body = Vec<String>)))]
async fn list(actor: Actor<SignedIn>, State(db): State<Db>) -> Result<Json<Vec<String>>> {
    Ok(Json(
        db.fetch_all(
            "SELECT text FROM notes WHERE user_id = $1 ORDER BY id",
            &[&actor.user_id],
        )
        .await?,
    ))
}

fn on_note_taken() -> Subscription {
    Subscription::new::<NoteTaken, _, _>("notes.keep", |work| async move {
        let mut tx = work.begin().await?;
        let NoteTaken { user_id, text } = work.payload();
        insert(&mut tx, *user_id, text).await?;
        tx.enqueue(&SendMail {
            subject: text.clone(),
        })
        .await?;
        work.commit(tx).await
    })
}

fn send_mail(mailer: Mailer) -> JobHandler {
    JobHandler::new::<SendMail, _, _>(move |work| {
        let mailer = mailer.clone();
        async move {
            let mail = Mail {
                id: work.id().to_string(),
                to: "somebody@example.com".to_owned(),
                subject: work.payload().subject.clone(),
                text: "Noted.".to_owned(),
                html: None,
                headers: Headers::new(),
            };
            mailer
                .send(&mail)
                .await
                .map_err(|error| stoa_events::JobError::Retry(error.to_string()))?;
            work.done().await
        }
    })
}

pub(crate) const NOTES: Descriptor = Descriptor {
    migrations: MIGRATIONS,
    wants: &[NoteTaken::NAME],
    emits: &[NoteTaken::INFO],
    ..Descriptor::named("notes")
};

pub(crate) fn service(env: Env) -> Service {
    Service {
        name: "notes",
        router: endpoints!(take, list).with_state(env.db),
        rpc: None,
        subscriptions: vec![on_note_taken()],
        jobs: vec![send_mail(env.mailer)],
        schedules: Vec::new(),
        start: None,
    }
}

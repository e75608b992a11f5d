//! Is it alive, is it ready, and how are the things it depends on?

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use futures::future::{BoxFuture, join_all};
use http::StatusCode;
use serde::Serialize;
use stoa_http::Anyone;

use super::Shared;
use stoa_http::AsIs;

/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Something that this process depends on, and how to ask whether it works.
pub struct HealthCheck {
    name: String,
    /// Without it this process cannot do its work.
    needed: bool,
    check: Check,
}

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<Detail, String>> + Send + Sync>;

/// What a check found, for insiders.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    degraded: bool,
    facts: BTreeMap<String, String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthStatus {
    /// All is well.
    Up,
    /// It works, in part or slowly.
    Degraded,
    /// It does not work.
    Down,
}

/// The state of this process.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ProcessState {
    /// `up` or `down`.
    status: HealthStatus,
}

/// The state of everything that this process depends on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    /// `down` if something that is needed is; `degraded` if anything else is not `up`.
    status: HealthStatus,
    /// Version of the running program.
    version: &'static str,
    /// Each thing on its own.
    checks: Vec<HealthChecked>,
}

/// One thing that this process depends on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct HealthChecked {
    /// What it is.
    name: String,
    /// How it is.
    status: HealthStatus,
    /// How long the check took, in milliseconds.
    duration_ms: u64,
    /// What the check found. For callers inside, and those with `metrics.read`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    detail: BTreeMap<String, String>,
    /// What is wrong. For callers inside, and those with `metrics.read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<String>,
    #[serde(skip)]
    needed: bool,
}

impl HealthCheck {
    /// Something without which this process cannot do its work.
    pub fn needed<F, Fut>(name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Detail, String>> + Send + 'static,
    {
        Self {
            name: name.into(),
            needed: true,
            check: Arc::new(move || Box::pin(check())),
        }
    }

    /// Something without which this process works, if less well.
    pub fn helpful<F, Fut>(name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Detail, String>> + Send + 'static,
    {
        Self {
            needed: false,
            ..Self::needed(name, check)
        }
    }

    async fn run(&self) -> HealthChecked {
        let started = tokio::time::Instant::now();
        let found = tokio::time::timeout(PATIENCE, (self.check)()).await;
        let found = found.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
        let (status, detail, error) = match found {
            Ok(detail) if detail.degraded => (HealthStatus::Degraded, detail.facts, None),
            Ok(detail) => (HealthStatus::Up, detail.facts, None),
            Err(error) => (HealthStatus::Down, BTreeMap::new(), Some(error)),
        };
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        HealthChecked {
            name: self.name.clone(),
            status,
            duration_ms,
            detail,
            error,
            needed: self.needed,
        }
    }
}

impl Detail {
    /// Adds a fact, such as how much waits in a queue.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.facts.insert(name.into(), value.to_string());
        self
    }

    /// It works, but not as well as it should.
    #[must_use]
    pub const fn degraded(mut self) -> Self {
        self.degraded = true;
        self
    }
}

/// These checks, all at once.
async fn look(version: &'static str, checks: impl Iterator<Item = &HealthCheck>) -> Health {
    let checks = join_all(checks.map(HealthCheck::run)).await;
    let weigh = |check: &HealthChecked| {
        if check.needed {
            check.status
        } else {
            check.status.min(HealthStatus::Degraded)
        }
    };
    let status = checks.iter().map(weigh).max().unwrap_or(HealthStatus::Up);
    Health {
        status,
        version,
        checks,
    }
}

fn answer(status: HealthStatus, body: impl Serialize) -> Response {
    match status {
        HealthStatus::Down => {
            (StatusCode::SERVICE_UNAVAILABLE, axum::Extension(AsIs), Json(body)).into_response()
        }
        HealthStatus::Up | HealthStatus::Degraded => Json(body).into_response(),
    }
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/health/live", tag = "health", responses(
    (status = 200, description = "It is.", body = ProcessState),
))]
pub(super) async fn live(_: Anyone) -> Response {
    answer(
        HealthStatus::Up,
        ProcessState {
            status: HealthStatus::Up,
        },
    )
}

/// Whether the process can do its work.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "It can.", body = ProcessState),
    (status = 503, description = "Something that it needs does not work, or it is about to stop.", body = ProcessState),
))]
pub(super) async fn ready(_: Anyone, State(shared): State<Arc<Shared>>) -> Response {
    // What is only helpful decides nothing here, and must not make a load balancer wait.
    let needed = shared.checks.iter().filter(|check| check.needed);
    let stopping = shared.draining.has_begun();
    let status = if stopping || look(shared.version, needed).await.status == HealthStatus::Down {
        HealthStatus::Down
    } else {
        HealthStatus::Up
    };
    answer(status, ProcessState { status })
}

/// The state of everything that this process depends on.
#[utoipa::path(get, path = "/health", tag = "health", responses(
    (status = 200, description = "It works, if perhaps not all of it.", body = Health),
    (status = 503, description = "Something that it needs does not work.", body = Health),
))]
pub(super) async fn health(_: Anyone, State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let insider = shared.insider(&request.into_parts().0);
    let mut health = look(shared.version, shared.checks.iter()).await;
    for check in &mut health.checks {
        if let Some(error) = &check.error {
            tracing::warn!(check = check.name, error, "a health check failed");
        }
        if !insider {
            check.detail.clear();
            check.error = None;
        }
    }
    answer(health.status, health)
}

//! Answers that wait for what they tell of.

use axum::response::{IntoResponse, Response};

use crate::Failure;

/// The answer, once all that its transactions saw of others is on the disk; a failure if that was not kept. See
/// [`stoa_db::settled`].
pub async fn settled(answer: impl Future<Output = Response>) -> Response {
    match stoa_db::settled(answer).await {
        Ok(response) => response,
        Err(error) => Failure::from(error).into_response(),
    }
}

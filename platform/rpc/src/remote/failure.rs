//! What became of a call whose transport failed.

use std::error::Error;

use tonic::Status;

/// Whether the server says that no handler has seen the request, so that it may be sent again without being done twice.
///
/// There are two such answers (RFC 9113, 8.7): a stream that is reset with `REFUSED_STREAM`, and a `GOAWAY` without an
/// error, as a server sends that stops, whose last stream is before this one. Of a connection that merely breaks nothing
/// is known.
pub(super) fn was_not_taken(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(|error| {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        let stopped = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        error.is_remote() && (refused || stopped)
    })
}

/// What the caller is told.
pub(super) fn status(service: &str, error: hyper::Error) -> Status {
    let answered = h2_error(&error).is_some_and(|error| error.is_reset() && error.is_remote());
    if answered && !was_not_taken(&error) {
        return Status::from_error(Box::new(error));
    }
    Status::unavailable(format!(
        "the connection to service '{service}' was lost: {}",
        chain(&error)
    ))
}

/// An error with its causes.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in std::iter::successors(Some(error), |&error| error.source()) {
        let text = error.to_string();
        // Many say their cause themselves.
        if !words.last().is_some_and(|last| last.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source())
        .find_map(<dyn Error + 'static>::downcast_ref)
}

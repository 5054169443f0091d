//! What is said to those for whom nothing is done: soon, and cheap to say.

use super::metrics::LaneMetrics;
use crate::http::limits::RETRY_AFTER;
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use platform::{
    lane::{Lane, gate::Reason},
    problem::{self, Kind, Problem},
};

/// It was begun and has taken longer than its budget.
pub const OUT_OF_TIME: Kind =
    Kind::new("out-of-time", 504, "This took longer than you can wait. It may have been done.");

/// Nothing was done.
pub(super) fn answer(lane: Lane, reason: Reason, metrics: &LaneMetrics) -> Response {
    metrics.shed(lane, reason.as_str());
    let detail = match reason {
        Reason::Deadline => "It was not your turn before the time ran out. Nothing was done.",
        Reason::Full | Reason::Age | Reason::Overload => "Too much is asked at the moment. Nothing was done.",
    };
    let later = RETRY_AFTER[lane.index()];
    Problem::new(problem::UNAVAILABLE).detail(detail).retry_after(later).into_response()
}

/// The lane has too many connections, of which this is one less.
pub(super) fn no_connection(lane: Lane, metrics: &LaneMetrics) -> Response {
    metrics.shed(lane, "connections");
    let problem = Problem::new(problem::UNAVAILABLE).detail("Too many are connected. Nothing was done.");
    let mut response = problem.retry_after(RETRY_AFTER[lane.index()]).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Something may have been done.
pub(super) fn out_of_time(lane: Lane, metrics: &LaneMetrics) -> Response {
    metrics.shed(lane, "out-of-time");
    let detail = "If it was a command, ask again with the same id: it is carried out once.";
    Problem::new(OUT_OF_TIME).detail(detail).retry_after(RETRY_AFTER[lane.index()]).into_response()
}

//! Lanes at the door: each request is of one, and each lane has workers, a queue and connections of its own.
//!
//! ```text
//! connection ─▶ its route's lane ─▶ a connection slot of the lane ─▶ the lane's gate ─▶ the lane's workers
//!                                        └ none: 503, close             └ shed: 503 + Retry-After
//! ```
//!
//! Critical handlers run where connections are read, without a hop. The others run on threads of their own, which the
//! system serves later (`nice`), so that neither processor time nor a blocked thread of theirs is missed above. A
//! response's body is sent by its connection: what is costly to make is made by the handler, not by the body.

mod door;
mod metrics;
pub mod routes;
mod seats;
mod shed;
mod watch;
mod workers;

pub use seats::Seat;
pub use shed::OUT_OF_TIME;

use crate::http::limits::{CONNECTIONS_OF_A_LANE, QUEUE, WORKERS};
use axum::{
    extract::{MatchedPath, Request, State},
    http::HeaderValue,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use door::Door;
use metrics::LaneMetrics;
use parking_lot::Mutex;
use platform::{
    lane::{Lane, deadline, gate::Capacity, task},
    limits::OVERLOADED_AGE,
    problem::{self, Problem},
};
use prometheus::Registry;
use seats::Seats;
use std::{io, sync::Arc};
use tokio::{task::JoinSet, time::Instant};
use workers::Workers;

/// Which lane a route's requests are in; `None` where no route matches.
pub type Classify = fn(Option<&str>) -> Lane;

/// Why there are no lanes.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Their threads.
    #[error("the threads of a lane cannot be started")]
    Threads(#[source] io::Error),
    /// The metrics are registered already.
    #[error("the lanes' metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// The lanes of one process.
pub struct Lanes {
    classify: Classify,
    doors: [Arc<Door>; Lane::ALL.len()],
    seats: [Seats; Lane::ALL.len()],
    workers: [Workers; Lane::ALL.len()],
    metrics: LaneMetrics,
    watching: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").finish_non_exhaustive()
    }
}

impl Lanes {
    /// Starts the lanes' threads, and looks from now on how late the process is. Within a runtime: the critical lane's.
    ///
    /// # Errors
    /// By variant of [`StartError`].
    pub fn start(classify: Classify, registry: &Registry) -> Result<Arc<Self>, StartError> {
        let metrics = LaneMetrics::new(registry)?;
        let door = |lane: Lane| {
            let n = lane.index();
            let capacity = Capacity { workers: WORKERS[n], queue: QUEUE[n], age: OVERLOADED_AGE[n] };
            Arc::new(Door::new(capacity, metrics.of(lane)))
        };
        let own = |lane| Workers::of(lane).map_err(StartError::Threads);
        let lanes = Arc::new(Self {
            classify,
            doors: Lane::ALL.map(door),
            seats: CONNECTIONS_OF_A_LANE.map(Seats::new),
            workers: [Workers::Here, own(Lane::Standard)?, own(Lane::Batch)?],
            metrics: metrics.clone(),
            watching: Mutex::default(),
        });
        lanes.watching.lock().spawn(watch::run(lanes.doors.clone(), metrics));
        Ok(lanes)
    }

    /// Middleware, outside of everything that works and inside of what counts answers.
    pub async fn admit(State(lanes): State<Arc<Self>>, request: Request, next: Next) -> Response {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let lane = (lanes.classify)(route);
        let budget = request.headers().get(deadline::HEADER).map(HeaderValue::as_bytes);
        let budget = match deadline::budget(lane, budget) {
            Ok(budget) => budget,
            Err(bad) => return Problem::new(problem::BAD_REQUEST).detail(bad.to_string()).into_response(),
        };
        if let Some(seat) = request.extensions().get::<Seat>()
            && !seat.take(lane, &lanes.seats[lane.index()])
        {
            return shed::no_connection(lane, &lanes.metrics);
        }
        let deadline = Instant::now() + budget;
        let permit = match lanes.doors[lane.index()].enter(deadline).await {
            Ok(permit) => permit,
            Err(reason) => return shed::answer(lane, reason, &lanes.metrics),
        };
        let work = async move {
            let work = task::scope(lane, deadline::scope(deadline, next.run(request)));
            let answer = tokio::time::timeout_at(deadline, work).await;
            drop(permit);
            answer
        };
        match lanes.workers[lane.index()].run(Box::pin(work)).await {
            Some(Ok(response)) => response,
            Some(Err(_)) => shed::out_of_time(lane, &lanes.metrics),
            None => Problem::new(problem::INTERNAL).because("a lane's worker panicked").into_response(),
        }
    }
}

#[cfg(test)]
mod tests;

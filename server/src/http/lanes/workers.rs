//! The threads that a lane's handlers run on.

use crate::http::limits::{BLOCKING_THREADS, NICENESS};
use platform::lane::Lane;
use std::io;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

pub(super) enum Workers {
    /// Where the connections are read.
    Here,
    /// Threads that no other lane uses.
    Own(Option<Runtime>),
}

impl Workers {
    /// Threads for a lane below the critical one: half as many as there are cores, each served later than the critical
    /// lane's when there is too little for all.
    pub(super) fn of(lane: Lane) -> io::Result<Self> {
        let Some(below) = lane.index().checked_sub(1) else { return Ok(Self::Here) };
        let niceness = NICENESS[below];
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads((cores / 2).max(1))
            .max_blocking_threads(BLOCKING_THREADS[below])
            .thread_name(lane.as_str())
            .on_thread_start(move || {
                // Of the thread, not of the process: so Linux does it, whatever POSIX says.
                if let Err(error) = rustix::process::nice(niceness) {
                    tracing::warn!(%error, "A lane's thread keeps its priority");
                }
            })
            .enable_all()
            .build()?;
        Ok(Self::Own(Some(runtime)))
    }

    /// Does it there. Nothing, if it panicked. Whoever stops waiting stops the work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match self {
            Self::Own(Some(runtime)) => AbortOnDropHandle::new(runtime.spawn(work)).await.ok(),
            Self::Own(None) | Self::Here => Some(work.await),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Self::Own(runtime) = self
            && let Some(runtime) = runtime.take()
        {
            // Nobody waits any more for what still runs, and a runtime must not be waited for inside another.
            runtime.shutdown_background();
        }
    }
}

//! How a process ends: asked once it drains, by a deadline; asked twice it stops at once.

use std::{io, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Cancels `shutdown` on SIGTERM or Ctrl-C. A second signal exits with code 130: who asks twice means
/// it.
///
/// # Errors
/// The signals cannot be listened for.
pub fn cancel_on_signal(shutdown: CancellationToken, tasks: &mut JoinSet<()>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tasks.spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "Ctrl-C",
            };
            if shutdown.is_cancelled() {
                tracing::warn!("{name} again: stopping at once");
                std::process::exit(130);
            }
            tracing::info!("{name}: draining");
            shutdown.cancel();
        }
    });
    Ok(())
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything finished by itself.
    Clean,
    /// This many tasks were still busy at the deadline and were cut off.
    Cut(usize),
}

/// Waits for tasks to finish, at most until the deadline; then ends them.
pub async fn drain<T: 'static>(mut tasks: JoinSet<T>, deadline: Duration) -> Drained {
    let finished = tokio::time::timeout(deadline, async { while tasks.join_next().await.is_some() {} }).await;
    if finished.is_ok() {
        return Drained::Clean;
    }
    let cut = tasks.len();
    tasks.shutdown().await;
    Drained::Cut(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_ends_when_the_tasks_do() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        assert_eq!(drain(tasks, Duration::from_secs(60)).await, Drained::Clean);
    }

    #[tokio::test]
    async fn a_drain_cuts_off_what_outlives_its_deadline() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(std::future::pending());
        tokio::task::yield_now().await;
        assert_eq!(drain(tasks, Duration::from_millis(20)).await, Drained::Cut(1));
    }
}

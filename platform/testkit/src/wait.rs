//! Waiting for conditions without blocking the runtime.

use std::{future::Future, time::Duration};
use tokio::time::{sleep, timeout};

/// Longest that a condition may take. Far beyond what any takes: this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gap between looks.
const GLANCE: Duration = Duration::from_millis(10);

/// Waits until a condition holds.
///
/// # Panics
/// It does not come about.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let holds = async {
        while !condition().await {
            sleep(GLANCE).await;
        }
    };
    soon(what, holds).await;
}

/// Waits for something that comes about by itself.
///
/// # Panics
/// It does not.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited too long: {what}"))
}

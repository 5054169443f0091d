//! From the queue to the collector: in batches, with patience that ends.
//!
//! ```text
//! Span ──try_send──▶ queue ──▶ batch ──POST──▶ collector
//!          │ full                 │ refused, or away for as long as there is patience
//!          ▼                      ▼
//!        dropped, and counted by outcome
//! ```

use super::{
    Config, InvalidConfig,
    endpoint::Endpoint,
    otlp,
    span::{Finished, Sampler, Tracer, threshold},
};
use crate::{
    exchange::exchange,
    limits::{
        EXPORT_EVERY, EXPORT_PAUSE, EXPORT_TIMEOUT, EXPORT_TRIES, FLUSH_WITHIN, MAX_EXPORT_ANSWER_BYTES,
        MAX_QUEUED_SPANS, MAX_SPANS_PER_EXPORT,
    },
};
use axum::http::{Method, Request, StatusCode, header};
use prometheus::{IntCounterVec, Opts, Registry};
use std::time::Duration;
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Who the spans are of.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The program's version.
    pub version: &'static str,
    /// A new id each time the process starts.
    pub instance: Uuid,
    /// The process's name in its fleet, as the operator gave it.
    pub node: String,
    /// What it does, separated by commas.
    pub roles: String,
}

/// What became of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The collector has it.
    Exported,
    /// The queue was full.
    QueueFull,
    /// The collector refused it.
    Refused,
    /// The collector was away for too long.
    Unreachable,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::QueueFull => "queue-full",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }
}

/// How long the exporter waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a batch is gathered.
    pub gather: Duration,
    /// How long the collector may take to answer.
    pub answer: Duration,
    /// The pause before a second try; doubles with each.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { gather: EXPORT_EVERY, answer: EXPORT_TIMEOUT, pause: EXPORT_PAUSE }
    }
}

#[derive(Clone)]
struct Count(IntCounterVec);

impl Count {
    fn add(&self, outcome: Outcome, spans: usize) {
        self.0.with_label_values(&[outcome.name()]).inc_by(spans as u64);
    }
}

/// The way into the queue.
pub(super) struct Queue {
    to: mpsc::Sender<Finished>,
    count: Count,
}

impl Queue {
    /// Takes it, or drops it if there is no room. Waits for nobody.
    pub(super) fn push(&self, span: Finished) {
        // A queue that nobody reads any more is one of a process that ends.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.to.try_send(span) {
            self.count.add(Outcome::QueueFull, 1);
        }
    }

    #[cfg(test)]
    pub(super) fn of(capacity: usize) -> (Self, mpsc::Receiver<Finished>) {
        let (to, from) = mpsc::channel(capacity);
        (Self { to, count: Count(counter().unwrap()) }, from)
    }
}

fn counter() -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(
        Opts::new("telehealth_telemetry_spans_total", "Spans of traces, by what became of them"),
        &["outcome"],
    )
}

/// Sends spans to the collector while it [runs](Exporter::run).
pub struct Exporter {
    endpoint: Endpoint,
    resource: Resource,
    queue: mpsc::Receiver<Finished>,
    count: Count,
    patience: Patience,
    /// The collector did not answer the last time: said once, not every second.
    away: bool,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A tracer and what sends its spans; a tracer that is off, if there is no collector.
///
/// # Errors
/// See [`Config::check`].
pub fn start(
    config: &Config,
    resource: Resource,
    registry: &Registry,
) -> Result<(Tracer, Option<Exporter>), InvalidConfig> {
    config.check()?;
    let Some(endpoint) = config.endpoint()? else { return Ok((Tracer::off(), None)) };
    let twice = |_| InvalidConfig { knob: "otlp_endpoint", why: "is exported to already" };
    let counter = counter().map_err(twice)?;
    registry.register(Box::new(counter.clone())).map_err(twice)?;
    let count = Count(counter);
    for outcome in [Outcome::Exported, Outcome::QueueFull, Outcome::Refused, Outcome::Unreachable] {
        count.add(outcome, 0);
    }
    let (to, queue) = mpsc::channel(MAX_QUEUED_SPANS);
    let sampler = Sampler { queue: Queue { to, count: count.clone() }, threshold: threshold(config.sample) };
    let patience = Patience::default();
    let exporter = Exporter { endpoint, resource, queue, count, patience, away: false };
    Ok((Tracer::new(sampler), Some(exporter)))
}

/// Why a request was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failed {
    /// Never will be.
    Refused,
    /// May be later.
    Away,
}

impl Exporter {
    /// With other patience: for tests.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Sends what comes, until `shutdown`; then what is left, if the collector takes it at once.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut batch = Vec::new();
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = gather(&mut self.queue, &mut batch, self.patience.gather) => {
                    if batch.is_empty() {
                        // Every tracer is gone.
                        return;
                    }
                    self.export(&mut batch, &shutdown).await;
                }
            }
        }
        let last = timeout(FLUSH_WITHIN, self.flush(&mut batch)).await;
        if last.is_err() {
            self.count.add(Outcome::Unreachable, batch.len());
        }
    }

    /// Empties the batch: sends it, or gives up and counts it. At a shutdown it is left as it is.
    async fn export(&mut self, batch: &mut Vec<Finished>, shutdown: &CancellationToken) {
        let body = otlp::request(&self.resource, batch);
        let mut pause = self.patience.pause;
        for attempt in 1..=EXPORT_TRIES {
            let sent = tokio::select! {
                sent = self.post(body.clone()) => sent,
                () = shutdown.cancelled() => return,
            };
            if sent != Err(Failed::Away) || attempt == EXPORT_TRIES {
                return self.settle(batch, sent);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause *= 2,
                () = shutdown.cancelled() => return,
            }
        }
    }

    async fn flush(&mut self, batch: &mut Vec<Finished>) {
        loop {
            while batch.len() < MAX_SPANS_PER_EXPORT {
                let Ok(span) = self.queue.try_recv() else { break };
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            let sent = self.post(otlp::request(&self.resource, batch)).await;
            self.settle(batch, sent);
        }
    }

    fn settle(&mut self, batch: &mut Vec<Finished>, sent: Result<u64, Failed>) {
        let spans = batch.len();
        batch.clear();
        let was_away = std::mem::replace(&mut self.away, sent.is_err());
        match sent {
            Ok(rejected) => {
                let rejected = usize::try_from(rejected).unwrap_or(spans).min(spans);
                self.count.add(Outcome::Refused, rejected);
                self.count.add(Outcome::Exported, spans - rejected);
            }
            Err(failed) => {
                let refused = failed == Failed::Refused;
                self.count.add(if refused { Outcome::Refused } else { Outcome::Unreachable }, spans);
                if !was_away {
                    tracing::warn!(
                        refused,
                        "The trace collector takes no spans: they are dropped and counted"
                    );
                }
            }
        }
    }

    /// How many of the spans were not taken after all.
    async fn post(&self, body: Vec<u8>) -> Result<u64, Failed> {
        timeout(self.patience.answer, self.exchange(body)).await.unwrap_or(Err(Failed::Away))
    }

    async fn exchange(&self, body: Vec<u8>) -> Result<u64, Failed> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint.path)
            .header(header::HOST, &self.endpoint.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .map_err(|_| Failed::Refused)?;
        let stream = TcpStream::connect(&self.endpoint.authority).await.map_err(|_| Failed::Away)?;
        let answer = exchange(stream, request, MAX_EXPORT_ANSWER_BYTES).await.map_err(|_| Failed::Away)?;
        judge(answer.status())?;
        Ok(answer.into_body().map_or(0, |answer| otlp::rejected(&answer)))
    }
}

/// Which statuses are worth another try (OTLP/HTTP, "Failures").
fn judge(status: StatusCode) -> Result<(), Failed> {
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Err(Failed::Away),
        _ => Err(Failed::Refused),
    }
}

/// Waits for a span, then for more of them for a while. Given up in the middle, nothing is lost.
async fn gather(queue: &mut mpsc::Receiver<Finished>, batch: &mut Vec<Finished>, within: Duration) {
    if batch.is_empty() && queue.recv_many(batch, MAX_SPANS_PER_EXPORT).await == 0 {
        return;
    }
    let deadline = Instant::now() + within;
    while batch.len() < MAX_SPANS_PER_EXPORT {
        let room = MAX_SPANS_PER_EXPORT - batch.len();
        match timeout_at(deadline, queue.recv_many(batch, room)).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

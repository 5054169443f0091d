//! Spans on their way to a collector that takes them, refuses them, says nothing, or is not there.

use platform::{
    limits::{EXPORT_TRIES, MAX_QUEUED_SPANS, MAX_SPANS_PER_EXPORT},
    trace::{self, Config, Exporter, Kind, Outcome, Patience, Resource, Tracer},
};
use prometheus::Registry;
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};
use testkit::{
    collector::{Collector, Mood},
    wait::{eventually, soon},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const QUICK: Patience = Patience {
    gather: Duration::from_millis(5),
    answer: Duration::from_millis(200),
    pause: Duration::from_millis(5),
};

struct Traced {
    tracer: Tracer,
    registry: Registry,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

fn started(endpoint: &str) -> (Tracer, Exporter, Registry) {
    let registry = Registry::new();
    let resource =
        Resource { version: "1", instance: Uuid::from_u128(1), node: "a".into(), roles: "sfu".into() };
    let config = Config { endpoint: Some(endpoint.to_owned()), sample: 1.0 };
    let (tracer, exporter) = trace::start(&config, resource, &registry).unwrap();
    (tracer, exporter.unwrap(), registry)
}

fn running(endpoint: &str, patience: Patience) -> Traced {
    let (tracer, exporter, registry) = started(endpoint);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(exporter.with_patience(patience).run(shutdown.clone()));
    Traced { tracer, registry, shutdown, running }
}

fn count(registry: &Registry, outcome: Outcome) -> usize {
    let label = match outcome {
        Outcome::Exported => "exported",
        Outcome::QueueFull => "queue-full",
        Outcome::Refused => "refused",
        Outcome::Unreachable => "unreachable",
    };
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == "telehealth_telemetry_spans_total").unwrap();
    let metric = family.get_metric().iter().find(|metric| metric.get_label()[0].value() == label).unwrap();
    metric.get_counter().get_value() as usize
}

impl Traced {
    async fn counts(&self, outcome: Outcome, expected: usize) {
        let what = format!("{expected} spans {outcome:?}");
        eventually(&what, async || count(&self.registry, outcome) == expected).await;
    }

    async fn stop(self) -> Registry {
        self.shutdown.cancel();
        soon("the exporter to end", self.running).await.unwrap();
        self.registry
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_arrive_with_their_parents_and_what_is_left_arrives_at_the_end() {
    let collector = Collector::start();
    let traced = running(&collector.endpoint(), QUICK);
    let visit = Uuid::from_u128(7);
    let above = traced.tracer.edge("above", None).id("visit.id", visit).word("kind", "first");
    traced.tracer.child("below", Kind::Client, above.context()).end();
    above.end();
    assert!(collector.wait(|spans| spans.len() == 2), "{:?}", collector.spans());
    let spans = collector.spans();
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (above, below) = (find("above"), find("below"));
    assert_eq!((below.parent.as_ref(), &below.trace), (Some(&above.id), &above.trace));
    assert_eq!((above.attributes["visit.id"].as_str(), &above.parent), (visit.to_string().as_str(), &None));
    assert!(above.begun <= below.begun && below.ended <= above.ended + 1_000_000);
    traced.counts(Outcome::Exported, 2).await;

    for _ in 0..MAX_SPANS_PER_EXPORT + 1 {
        traced.tracer.edge("late", None).end();
    }
    let registry = traced.stop().await;
    assert_eq!(count(&registry, Outcome::Exported), MAX_SPANS_PER_EXPORT + 3);
    assert_eq!(collector.spans().len(), MAX_SPANS_PER_EXPORT + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_beyond_the_queue_are_dropped_and_counted_and_nobody_waits() {
    let collector = Collector::start();
    collector.be(Mood::Silent);
    let (tracer, _exporter, registry) = started(&collector.endpoint());
    let begun = Instant::now();
    for _ in 0..MAX_QUEUED_SPANS {
        tracer.edge("fits", None).end();
    }
    assert_eq!(count(&registry, Outcome::QueueFull), 0);
    for _ in 0..10 {
        tracer.edge("one too many", None).end();
    }
    let took = begun.elapsed();
    assert_eq!(count(&registry, Outcome::QueueFull), 10);
    println!("{MAX_QUEUED_SPANS} spans that nobody takes: {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_says_nothing_is_given_up() {
    let collector = Collector::start();
    collector.be(Mood::Silent);
    let traced = running(&collector.endpoint(), QUICK);
    traced.tracer.edge("lost", None).end();
    traced.counts(Outcome::Unreachable, 1).await;
    assert_eq!(collector.requests(), EXPORT_TRIES as usize);
    collector.be(Mood::Takes);
    traced.tracer.edge("later", None).end();
    assert!(collector.wait(|spans| spans.len() == 1 && spans[0].name == "later"));
    traced.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_asked_again_and_then_given_up() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let traced = running(&format!("http://{gone}"), QUICK);
    traced.tracer.edge("lost", None).end();
    traced.counts(Outcome::Unreachable, 1).await;
    traced.stop().await;

    let collector = Collector::start();
    collector.be(Mood::Says(503));
    let patient = Patience { pause: Duration::from_secs(1), ..QUICK };
    let traced = running(&collector.endpoint(), patient);
    traced.tracer.edge("kept", None).end();
    assert!(collector.wait_for_requests(1));
    collector.be(Mood::Takes);
    assert!(collector.wait(|spans| spans.len() == 1), "after a pause");
    traced.counts(Outcome::Exported, 1).await;
    traced.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_counted_and_not_asked_again() {
    let collector = Collector::start();
    collector.be(Mood::Says(400));
    let traced = running(&collector.endpoint(), QUICK);
    traced.tracer.edge("refused", None).end();
    traced.counts(Outcome::Refused, 1).await;
    assert_eq!(collector.requests(), 1);
    collector.be(Mood::Rejects(1));
    traced.tracer.edge("no good", None).end();
    traced.counts(Outcome::Refused, 2).await;
    assert_eq!(count(&traced.registry, Outcome::Exported), 0);
    traced.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_does_not_wait_for_a_collector_that_says_nothing() {
    let collector = Collector::start();
    collector.be(Mood::Silent);
    let traced = running(&collector.endpoint(), Patience { answer: Duration::from_secs(60), ..QUICK });
    traced.tracer.edge("lost", None).end();
    assert!(collector.wait_for_requests(1));
    let begun = Instant::now();
    let registry = traced.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(count(&registry, Outcome::Unreachable), 1);
}

//! Spans, from their beginning to the queue.

use super::export::Queue;
use crate::limits::MAX_SPAN_ATTRIBUTES;
use model::TraceContext;
use std::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use uuid::Uuid;

/// What a span's part in an exchange is, as OpenTelemetry has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Work within the process.
    Internal,
    /// Answers somebody.
    Server,
    /// Asks somebody.
    Client,
}

/// The value of an attribute: nothing that came from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Id(Uuid),
    Number(u64),
    Word(&'static str),
}

/// A span that is over.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) context: TraceContext,
    pub(super) parent: Option<NonZeroU64>,
    /// Since 1970.
    pub(super) begun: Duration,
    pub(super) took: Duration,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) link: Option<TraceContext>,
    pub(super) failed: Option<&'static str>,
}

/// Begins spans. Cheap to clone; off without a collector.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Sampler>>);

pub(super) struct Sampler {
    pub(super) queue: Queue,
    /// Of 2⁵⁶ trace ids so many are recorded.
    pub(super) threshold: u64,
}

/// A share of traces, as a number of trace ids by their last 56 bits: every process of a fleet decides alike.
pub(super) fn threshold(share: f64) -> u64 {
    (share * (1_u64 << 56) as f64) as u64
}

impl Sampler {
    fn takes(&self, trace: NonZeroU128) -> bool {
        (trace.get() as u64 & ((1 << 56) - 1)) < self.threshold
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tracer").field(&self.is_on()).finish()
    }
}

impl Tracer {
    /// A tracer that records nothing.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    pub(super) fn new(sampler: Sampler) -> Self {
        Self(Some(Arc::new(sampler)))
    }

    /// Whether there is a collector.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What a stranger's context counts for here: nothing, unless its trace is one that is recorded.
    #[must_use]
    pub fn accept(&self, remote: Option<TraceContext>) -> Option<TraceContext> {
        let sampler = self.0.as_ref()?;
        remote.filter(|remote| remote.sampled && sampler.takes(remote.trace))
    }

    /// Begins a span where strangers come in: of the trace they bring, or else of a new one. Whether it is recorded is
    /// decided here.
    pub fn edge(&self, name: &'static str, remote: Option<TraceContext>) -> Span {
        let Some(sampler) = &self.0 else { return Span(None) };
        if let Some(remote) = remote {
            return self.child(name, Kind::Server, self.accept(Some(remote)));
        }
        match random().and_then(|bytes: [u8; 16]| NonZeroU128::new(u128::from_be_bytes(bytes))) {
            Some(trace) if sampler.takes(trace) => Span::begin(sampler, name, Kind::Server, trace, None),
            _ => Span(None),
        }
    }

    /// Begins a span of a trace that is recorded, below `parent`. Nothing, if that is none.
    pub fn child(&self, name: &'static str, kind: Kind, parent: Option<TraceContext>) -> Span {
        match (&self.0, parent.filter(|parent| parent.sampled)) {
            (Some(sampler), Some(parent)) => {
                Span::begin(sampler, name, kind, parent.trace, Some(parent.span))
            }
            _ => Span(None),
        }
    }
}

/// Something that takes time; over when it [ends](Span::end) or is dropped. Nothing, if it is not recorded.
#[derive(Default)]
#[must_use]
pub struct Span(Option<Box<Open>>);

struct Open {
    sampler: Arc<Sampler>,
    began: Instant,
    span: Finished,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.0.as_ref().map(|open| open.span.name)).finish()
    }
}

impl Span {
    #[expect(clippy::disallowed_methods, reason = "a span is a measurement, finer than the platform's clock")]
    fn begin(
        sampler: &Arc<Sampler>,
        name: &'static str,
        kind: Kind,
        trace: NonZeroU128,
        parent: Option<NonZeroU64>,
    ) -> Self {
        let id = random().and_then(|bytes: [u8; 8]| NonZeroU64::new(u64::from_be_bytes(bytes)));
        let Some(span) = id else { return Self(None) };
        let span = Finished {
            name,
            kind,
            context: TraceContext { trace, span, sampled: true },
            parent,
            begun: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            took: Duration::ZERO,
            attributes: Vec::new(),
            link: None,
            failed: None,
        };
        Self(Some(Box::new(Open { sampler: Arc::clone(sampler), began: Instant::now(), span })))
    }

    /// What is begun below it belongs to this.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext> {
        self.0.as_ref().map(|open| open.span.context)
    }

    /// Adds an id.
    pub fn id(self, name: &'static str, id: Uuid) -> Self {
        self.with(name, Value::Id(id))
    }

    /// Adds a number.
    pub fn number(self, name: &'static str, number: u64) -> Self {
        self.with(name, Value::Number(number))
    }

    /// Adds a word of the program's own.
    pub fn word(self, name: &'static str, word: &'static str) -> Self {
        self.with(name, Value::Word(word))
    }

    /// Names another trace that has to do with it: of whoever asked, where that is not the parent.
    pub fn linked(mut self, to: Option<TraceContext>) -> Self {
        if let Some(open) = &mut self.0 {
            open.span.link = to;
        }
        self
    }

    /// It went wrong, for a reason of the program's own.
    pub fn fail(&mut self, why: &'static str) {
        if let Some(open) = &mut self.0 {
            open.span.failed = Some(why);
        }
    }

    /// It is over, and went well after all.
    pub fn succeed(mut self) {
        if let Some(open) = &mut self.0 {
            open.span.failed = None;
        }
    }

    /// It is over.
    pub fn end(self) {
        drop(self);
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        if let Some(open) = &mut self.0
            && open.span.attributes.len() < MAX_SPAN_ATTRIBUTES
        {
            open.span.attributes.push((name, value));
        }
        self
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open { sampler, began, mut span } = *open;
        span.took = began.elapsed();
        sampler.queue.push(span);
    }
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracer_that_is_off_makes_nothing() {
        let remote = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok();
        let tracer = Tracer::off();
        assert_eq!(tracer.accept(remote), None);
        assert_eq!(tracer.edge("a", remote).id("visit.id", Uuid::nil()).context(), None);
        assert_eq!(tracer.edge("a", None).context(), None);
        assert_eq!(tracer.child("a", Kind::Internal, remote).context(), None);
        assert_eq!(size_of::<Span>(), size_of::<usize>());
    }

    #[test]
    fn so_many_of_all_traces_are_taken_as_was_asked_for() {
        let taken = |share: f64| {
            let sampler = Sampler { queue: Queue::of(1).0, threshold: threshold(share) };
            let trace = || NonZeroU128::new(u128::from_be_bytes(random().unwrap())).unwrap();
            (0..4_000).filter(|_| sampler.takes(trace())).count()
        };
        assert_eq!((taken(0.0), taken(1.0)), (0, 4_000));
        assert!((800..1_200).contains(&taken(0.25)), "some 1,000 of 4,000");
    }

    #[test]
    fn a_stranger_may_say_that_a_trace_is_not_to_be_recorded() {
        let (queue, mut spans) = Queue::of(8);
        let tracer = Tracer::new(Sampler { queue, threshold: threshold(1.0) });
        let remote: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        tracer.edge("told not to", Some(TraceContext { sampled: false, ..remote })).end();
        tracer.edge("theirs", Some(remote)).end();
        let ours = tracer.edge("ours", None);
        let context = ours.context();
        tracer.child("below", Kind::Client, context).end();
        drop(ours);
        let got = std::iter::from_fn(|| spans.try_recv().ok()).collect::<Vec<_>>();
        let names: Vec<_> = got.iter().map(|span| span.name).collect();
        assert_eq!(names, ["theirs", "below", "ours"]);
        assert_eq!((got[0].context.trace, got[0].parent), (remote.trace, Some(remote.span)));
        assert_eq!(got[1].parent, Some(got[2].context.span));
        assert_eq!((got[1].context.trace, got[2].parent), (got[2].context.trace, None));
    }

    #[test]
    fn attributes_are_as_many_as_may_be() {
        let (queue, mut spans) = Queue::of(1);
        let tracer = Tracer::new(Sampler { queue, threshold: threshold(1.0) });
        let mut span = tracer.edge("many", None);
        for n in 0..=MAX_SPAN_ATTRIBUTES {
            span = span.number("n", n as u64);
        }
        span.end();
        assert_eq!(spans.try_recv().unwrap().attributes.len(), MAX_SPAN_ATTRIBUTES);
    }
}

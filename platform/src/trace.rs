//! Distributed traces: spans with ids and no words, sent to an OpenTelemetry collector (OTLP/HTTP with JSON), if there
//! is one.
//!
//! * Without a collector a [`Tracer`] is [off](Tracer::off): every span is nothing, and nothing is measured.
//! * With one, a finished span is put into a bounded queue or dropped and counted. Nobody ever waits for a collector.
//! * Attributes are ids, numbers and words of the program's own. There is no way to put a name, an address or anything
//!   else that came from outside into a span.
//! * Which trace something belongs to travels as a [`TraceContext`]: in the `traceparent` header of HTTP requests, in
//!   messages of the project's own protocols, in [headers of the bus](crate::bus::Message::with_trace), and within a
//!   task by [`scope`].
//!
//! Reading order: [`Config`], [`Tracer`], [`Span`], [`Exporter`].

mod config;
mod endpoint;
mod export;
mod otlp;
mod span;

pub use config::{Config, InvalidConfig};
pub use export::{Exporter, Outcome, Patience, Resource, start};
pub use span::{Kind, Span, Tracer};

use axum::http::{HeaderMap, HeaderValue};
use model::TraceContext;

/// The name of the context in the headers of HTTP and of the bus.
pub const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// What the work of this task belongs to, if anything.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(|context| *context).ok()
}

/// Does `work` as part of `context`; as part of what it is now, if that is none.
pub async fn scope<F: Future>(context: Option<TraceContext>, work: F) -> F::Output {
    match context {
        Some(context) => CURRENT.scope(context, work).await,
        None => work.await,
    }
}

/// The same for what does not wait.
pub fn in_scope<T>(context: Option<TraceContext>, work: impl FnOnce() -> T) -> T {
    match context {
        Some(context) => CURRENT.sync_scope(context, work),
        None => work(),
    }
}

/// The context that a request came with. One that is malformed or there twice counts as absent.
pub fn of_request(headers: &HeaderMap) -> Option<TraceContext> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    one.to_str().ok()?.parse().ok()
}

/// Sends the [current](current) context along with a request.
pub fn send_along(headers: &mut HeaderMap) {
    if let Some(value) = current().and_then(|context| HeaderValue::try_from(context.to_string()).ok()) {
        headers.insert(TRACEPARENT, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[tokio::test]
    async fn a_context_holds_within_its_scope_and_goes_along_with_requests() {
        let context: TraceContext = EXAMPLE.parse().unwrap();
        assert_eq!(current(), None);
        let mut headers = HeaderMap::new();
        send_along(&mut headers);
        assert!(headers.is_empty());
        scope(Some(context), async {
            tokio::task::yield_now().await;
            assert_eq!(current(), Some(context));
            scope(None, async { assert_eq!(current(), Some(context)) }).await;
            send_along(&mut headers);
        })
        .await;
        assert_eq!(of_request(&headers), Some(context));
        assert_eq!(in_scope(Some(context), current), Some(context));
        assert_eq!((current(), in_scope(None, current)), (None, None));
    }

    #[test]
    fn a_header_that_is_malformed_or_repeated_counts_as_absent() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static("00-0-0-01"));
        assert_eq!(of_request(&headers), None);
        headers.insert(TRACEPARENT, HeaderValue::from_static(EXAMPLE));
        assert!(of_request(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(EXAMPLE));
        assert_eq!(of_request(&headers), None);
    }
}

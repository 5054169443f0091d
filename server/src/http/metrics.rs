//! Requests by route and status. The route is the pattern, never the path: paths hold ids.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// The counters.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl HttpMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// They are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("telehealth_http_requests_total", "Requests by route and status"),
                &["route", "status"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new("telehealth_http_request_seconds", "Time to answer a request")
                    .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0]),
                &["route"],
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        Ok(metrics)
    }

    /// Middleware.
    pub async fn count(State(metrics): State<Self>, request: Request, next: Next) -> Response {
        let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
        let timer = metrics.seconds.with_label_values(&[&route]).start_timer();
        let response = next.run(request).await;
        timer.observe_duration();
        metrics.requests.with_label_values(&[route.as_str(), response.status().as_str()]).inc();
        response
    }
}

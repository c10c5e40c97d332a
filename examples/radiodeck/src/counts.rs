//! How often a request asks the database.
//!
//! A page that asks once a row (the N+1 fault) works well on a developer's ten rows and fails on a
//! site's thousands. So every request counts its queries and its round trips; the sums are
//! histograms on `/metrics`, stand in each response's `Server-Timing` header, and a request above
//! [`BUDGET`] is reported by name.
//!
//! A round trip is one wait for the database: several statements that travel together cost one.

use std::cell::Cell;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;

/// Queries a request may make before it is reported. The costliest page needs four, whatever the
/// number of rows on it, so more than six means that some query hangs on a row.
pub const BUDGET: u32 = 6;

/// What one request has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Statements that the database ran.
    pub queries: u32,
    /// Times that the request waited for the database.
    pub round_trips: u32,
    /// How long it waited in total.
    pub waited: Duration,
}

tokio::task_local! {
    static COUNTS: Cell<Counts>;
}

/// Runs one operation of a store and notes what it cost.
///
/// `operation` is a name from the code, never from a request: it labels a metric.
pub(crate) async fn measured<T>(
    operation: &'static str,
    queries: u32,
    round_trips: u32,
    work: impl Future<Output = T>,
) -> T {
    let started = Instant::now();
    let result = work.await;
    let waited = started.elapsed();
    metrics::histogram!("db.client.operation.duration", "operation" => operation)
        .record(waited.as_secs_f64());
    add(Counts { queries, round_trips, waited });
    result
}

/// Notes a round trip that an operation does not always cost.
pub(crate) fn extra_round_trip() {
    add(Counts { round_trips: 1, ..Counts::default() });
}

/// Adds what was done elsewhere, in a task of its own, for this request.
pub(crate) fn add(cost: Counts) {
    let _outside_a_request = COUNTS.try_with(|counts| {
        let sum = counts.get();
        counts.set(Counts {
            queries: sum.queries + cost.queries,
            round_trips: sum.round_trips + cost.round_trips,
            waited: sum.waited + cost.waited,
        });
    });
}

/// Counts what some work asks of the database.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, Counts) {
    COUNTS
        .scope(Cell::default(), async {
            let result = work.await;
            (result, COUNTS.with(Cell::get))
        })
        .await
}

/// The middleware: counts a request, exports the sums, reports a request over budget.
///
/// It stands on routes and not around the router, so that the route's pattern is the label.
pub async fn count_queries(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let started = Instant::now();
    let (mut response, counts) = counted(next.run(request)).await;
    let status = match response.status().as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    metrics::histogram!("http.server.request.duration", "route" => route.clone(), "status" => status)
        .record(started.elapsed().as_secs_f64());
    metrics::histogram!("radiodeck.db.queries_per_request", "route" => route.clone())
        .record(counts.queries);
    metrics::histogram!("radiodeck.db.round_trips_per_request", "route" => route.clone())
        .record(counts.round_trips);
    if counts.queries > BUDGET {
        tracing::warn!(
            route,
            queries = counts.queries,
            budget = BUDGET,
            "a request asks the database once a row (N+1)"
        );
        metrics::counter!("radiodeck.db.over_budget", "route" => route).increment(1);
    }
    let timing = format!(
        "db;dur={:.1};desc=\"queries={} round-trips={}\"",
        counts.waited.as_secs_f64() * 1e3,
        counts.queries,
        counts.round_trips
    );
    if let Ok(value) = HeaderValue::from_str(&timing) {
        response.headers_mut().append("server-timing", value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_counted_apart() {
        let ask = |times| async move {
            for _ in 0..times {
                measured("test", 1, 1, tokio::task::yield_now()).await;
            }
        };
        let ((_, two), (_, five)) = tokio::join!(counted(ask(2)), counted(ask(5)));
        assert_eq!((two.queries, five.queries), (2, 5));
    }

    #[tokio::test]
    async fn work_outside_a_request_is_not_counted() {
        assert_eq!(measured("test", 1, 1, async { 7 }).await, 7);
    }
}

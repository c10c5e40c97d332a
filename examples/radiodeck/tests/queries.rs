//! What a page asks of the database does not grow with the page, and if it did we would see it.

mod support;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn;
use axum::routing::get;
use radiodeck::counts::{BUDGET, count_queries};
use radiodeck::model::StationId;
use radiodeck::storage::{StationQuery, Window};
use radiodeck::{Store, telemetry};
use std::sync::Arc;
use support::Site;

#[tokio::test]
async fn a_list_costs_two_queries_however_long_it_is() {
    let site = Site::start().await;
    for rows in [1, 24, 100] {
        let list = site.get(&format!("/stations?per_page={rows}")).await;
        assert_eq!(list.json()["stations"].as_array().unwrap().len(), rows);
        assert_eq!(list.cost(), (2, 2), "{rows} rows");
    }
}

#[tokio::test]
async fn no_page_costs_more_than_the_budget() {
    let site = Site::start().await;
    for (path, queries) in [
        ("/", 4),
        ("/stations", 4),
        ("/stations?q=a&genre=jazz&sort=name", 4),
        ("/stations?page=9999", 3),
        ("/stations/7", 4),
        ("/stations/7/tracks", 3),
        ("/stations/7/now", 2),
        ("/favourites", 3),
        ("/tracks/7", 2),
        ("/listeners/7", 2),
        ("/sign-in", 1),
        ("/healthz", 0),
        ("/readyz", 1),
        ("/metrics", 0),
        ("/covers/7.svg", 0),
        ("/assets/site.css", 0),
    ] {
        let html = [("host", "www.radiodeck.test"), ("cookie", "listener=3")];
        let page = site.ask("GET", path, &html, "").await;
        assert_eq!(page.status, 200, "{path}");
        let (cost, _) = page.cost();
        assert!(
            cost <= queries && queries <= BUDGET,
            "{path}: {cost} queries instead of {queries}"
        );
    }
}

/// The negative control: the list as it is written without thinking, one query a row.
#[tokio::test]
async fn one_query_a_row_is_reported() {
    async fn naive(State(store): State<Arc<dyn Store>>) -> String {
        let page = store.stations(&StationQuery::all(Window::page(1, 24))).await.unwrap();
        let mut titles = String::new();
        for station in page.items {
            let id: [StationId; 1] = [station.id];
            titles += &store.now_playing(&id, support::NOW).await.unwrap()[0].track.title;
        }
        titles
    }
    telemetry::start_metrics();
    let (store, _directory) = Site::store().await;
    let router = Router::new()
        .route("/naive", get(naive))
        .route_layer(from_fn(count_queries))
        .with_state(store);
    let answer = support::ask(router, "GET", "/naive", &[], "").await;
    assert_eq!(answer.cost(), (25, 25));
    let metrics = telemetry::metrics_text();
    assert!(metrics.contains("radiodeck_db_over_budget{route=\"/naive\"} 1"), "{metrics}");
    let sum = "radiodeck_db_queries_per_request_sum{route=\"/naive\"} 25";
    assert!(metrics.contains(sum), "{metrics}");
}

#[tokio::test]
async fn metrics_tell_queries_and_time_of_each_route() {
    telemetry::start_metrics();
    let site = Site::start().await;
    site.get("/stations/7").await;
    let metrics = site.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    for line in [
        "radiodeck_db_queries_per_request_bucket{route=\"/stations/{id}\",le=\"2\"}",
        "radiodeck_db_round_trips_per_request_count{route=\"/stations/{id}\"}",
        "http_server_request_duration_bucket{route=\"/stations/{id}\",status=\"2xx\"",
        "db_client_operation_duration_count{operation=\"station\"}",
    ] {
        assert!(metrics.body.contains(line), "{line} in\n{}", metrics.body);
    }
}

//! A site on a small database, asked without a network.

#![allow(dead_code, missing_debug_implementations, unreachable_pub)]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::middleware::from_fn;
use http_body_util::BodyExt;
use radiodeck::model::{
    Listener, ListenerId, NowPlaying, Page, Station, StationId, Track, TrackId,
};
use radiodeck::storage::{Kept, StationQuery, StoreError, StoreErrorKind, Window};
use radiodeck::{App, Clock, Seed, SqliteStore, Store};
use tempfile::TempDir;
use tower::ServiceExt;

/// Some second on which every station plays something.
pub const NOW: i64 = 1_800_000_000;

pub struct Site {
    pub router: Router,
    pub app: App,
    pub clock: Arc<AtomicI64>,
    _directory: TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Site {
    pub async fn store() -> (Arc<dyn Store>, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("db"), 2).await.unwrap();
        store.fill(&Seed::small()).await.unwrap();
        (Arc::new(store), directory)
    }

    pub async fn start() -> Self {
        let (store, directory) = Self::store().await;
        let (clock, hand) = Clock::manual(NOW);
        let app = App::shared(store).clock(clock);
        let router = radiodeck::router(app.clone()).layer(from_fn(radiodeck::error_pages));
        Self { router, app, clock: hand, _directory: directory }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// Asks as a browser does.
    pub async fn browse(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("accept", "text/html,application/xml;q=0.9,*/*;q=0.8")], "").await
    }

    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        ask(self.router.clone(), method, path, headers, body).await
    }
}

pub async fn ask(
    router: Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The numbers of the `Server-Timing` header.
    pub fn cost(&self) -> (u32, u32) {
        let timing = self.header("server-timing");
        let number = |name: &str| {
            let text =
                timing.split(name).nth(1).unwrap_or_else(|| panic!("no {name} in {timing:?}"));
            text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
        };
        (number("queries="), number("round-trips="))
    }
}

/// A store whose database is gone.
#[derive(Debug)]
pub struct Dead;

pub fn gone<T>() -> Result<T, StoreError> {
    Err(StoreError::of(StoreErrorKind::Unavailable, "secret"))
}

#[async_trait]
impl Store for Dead {
    async fn stations(&self, _: &StationQuery) -> Result<Page<Station>, StoreError> {
        gone()
    }
    async fn station(&self, _: StationId) -> Result<Option<Station>, StoreError> {
        gone()
    }
    async fn these(&self, _: &[StationId]) -> Result<Vec<Station>, StoreError> {
        gone()
    }
    async fn now_playing(&self, _: &[StationId], _: i64) -> Result<Vec<NowPlaying>, StoreError> {
        gone()
    }
    async fn tracks(&self, _: StationId) -> Result<Vec<Track>, StoreError> {
        gone()
    }
    async fn programmes(&self, _: &[StationId]) -> Result<Vec<Track>, StoreError> {
        gone()
    }
    async fn track(&self, _: TrackId) -> Result<Option<Track>, StoreError> {
        gone()
    }
    async fn listener(&self, _: ListenerId) -> Result<Option<Listener>, StoreError> {
        gone()
    }
    async fn favourites(&self, _: ListenerId, _: Window) -> Result<Page<Station>, StoreError> {
        gone()
    }
    async fn kept(&self, _: ListenerId, _: &[StationId]) -> Result<HashSet<StationId>, StoreError> {
        gone()
    }
    async fn keep(&self, _: ListenerId, _: StationId, _: i64) -> Result<Option<Kept>, StoreError> {
        gone()
    }
    async fn drop_favourite(
        &self,
        _: ListenerId,
        _: StationId,
    ) -> Result<Option<Kept>, StoreError> {
        gone()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        gone()
    }
}

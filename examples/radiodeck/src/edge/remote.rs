//! The site's side: asks the edge, over its socket.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::HOST;
use axum::http::{Method, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use terrace_cdn_edge::admin::{SIGNATURE, sign};
use tokio::net::UnixStream;

use super::key;
use crate::clock::Clock;
use crate::launch;

/// How long the edge may take: it answers from memory, and a page may be waiting.
const WITHIN: Duration = Duration::from_secs(1);

/// What one answer may hold.
const LONGEST: usize = 1 << 20;

/// The edge of a site, seen from another process.
#[derive(Clone, Debug)]
pub struct Remote {
    data: PathBuf,
}

/// How an edge is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EdgeState {
    /// Whether it answered.
    pub answering: bool,
    /// What it said.
    #[serde(flatten)]
    pub counts: Option<EdgeCounts>,
}

/// What an edge has saved since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EdgeCounts {
    /// Answers without the site.
    pub hits: u64,
    /// Answers for which the site was asked.
    pub misses: u64,
    /// The share of the first, in thousandths.
    pub hits_per_mille: u64,
    /// How many objects it holds.
    pub objects: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Bytes of bodies that came from its memory.
    pub saved_bytes: u64,
    /// Bytes of bodies that the site sent to be kept.
    pub origin_bytes: u64,
}

impl Remote {
    /// The edge of the site with this data directory.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// How it is doing.
    pub async fn state(&self) -> EdgeState {
        let asked = self.ask(Method::GET, "/status", String::new()).await;
        let counts = asked.ok().and_then(|answer| EdgeCounts::read(&answer));
        EdgeState { answering: counts.is_some(), counts }
    }

    /// Purges a URL, whatever its query: all versions of a picture.
    ///
    /// # Errors
    ///
    /// When the edge does not answer, or does not like the URL.
    pub async fn purge(&self, url: &str) -> Result<(), launch::Error> {
        let order = serde_json::json!({ "path": url }).to_string();
        self.ask(Method::POST, "/purge", order).await.map(drop)
    }

    /// Asks, signed with the site's key.
    async fn ask(&self, method: Method, path: &str, body: String) -> Result<Value, launch::Error> {
        let late = |_| launch::Error::new("the edge did not answer within a second");
        tokio::time::timeout(WITHIN, self.exchange(method, path, body)).await.map_err(late)?
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Value, launch::Error> {
        let socket = super::socket(&self.data);
        let stream = UnixStream::connect(&socket).await.map_err(|error| {
            launch::Error::new(format!("no edge answers at {} ({error})", socket.display()))
        })?;
        let now = u64::try_from(Clock::system().now()).unwrap_or(0);
        let key = key::of(&self.data)?;
        let signature = sign(&key, &method, path, body.as_bytes(), now, key::random()?);
        let request = Request::builder().method(method).uri(path).header(HOST, "edge");
        let request = request.header(SIGNATURE, signature).body(Body::from(body))?;

        let (mut edge, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the last reader of the answer.
        tokio::spawn(connection);
        let response = edge.send_request(request).await?;
        let status = response.status();
        let bytes = to_bytes(Body::new(response.into_body()), LONGEST).await?;
        let answer: Value = serde_json::from_slice(&bytes)?;
        if status == StatusCode::OK {
            return Ok(answer);
        }
        let reason = answer["error"].as_str().unwrap_or("it does not say why");
        Err(launch::Error::new(format!("the edge refuses: {reason}")))
    }
}

impl EdgeCounts {
    /// Of the report of an edge's admin service.
    pub(super) fn read(report: &Value) -> Option<Self> {
        let taken = |outcome: &str| -> u64 {
            // An outcome that has not come about yet is not in the report.
            let reasons = report["decisions"][outcome].as_object();
            reasons.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
        };
        let hits = taken("hit") + taken("collapsed");
        let misses = taken("miss") + taken("failure");
        Some(Self {
            hits,
            misses,
            hits_per_mille: (hits * 1000).checked_div(hits + misses).unwrap_or(0),
            objects: report["objects"].as_u64()?,
            bytes: report["bytes"].as_u64()?,
            saved_bytes: report["served_bytes"].as_u64()?,
            origin_bytes: report["from_origin_bytes"].as_u64()?,
        })
    }
}

impl fmt::Display for EdgeCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hits, misses, hits_per_mille: share, .. } = self;
        let all = hits + misses;
        write!(f, "{all} answers, {hits} without the site: {}.{} %", share / 10, share % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_read_from_the_report() {
        let report = serde_json::json!({
            "objects": 3, "bytes": 900, "served_bytes": 5000, "from_origin_bytes": 700,
            "decisions": {
                "hit": { "fresh": 5, "stale": 1 },
                "collapsed": { "miss": 1 },
                "miss": { "miss": 2 },
                "unstored": { "no-store": 2 },
            },
        });
        let counts = EdgeCounts::read(&report).unwrap();
        assert_eq!((counts.hits, counts.misses, counts.saved_bytes), (7, 2, 5000));
        assert_eq!(counts.to_string(), "9 answers, 7 without the site: 77.7 %");
        assert_eq!(EdgeCounts::read(&serde_json::json!({ "error": "no" })), None);
    }
}

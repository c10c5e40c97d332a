//! What the backend does with one request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The body of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// These bytes.
    Bytes(Bytes),
    /// So many bytes of the [`pattern`](super::pattern), streamed in chunks of 16 KiB.
    Pattern(u64),
    /// The request's body, streamed back as it arrives, trailers too.
    Echo,
}

/// Where the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// Before any byte of the response.
    BeforeHead,
    /// After the head (which promises a body), before any byte of the body.
    AfterHead,
    /// After so many bytes of the body.
    AfterBody(u64),
}

/// What happens to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) delay: Duration,
    pub(super) held: bool,
    pub(super) cut: Option<Cut>,
    pub(super) chunked: bool,
    pub(super) pace: Duration,
    pub(super) upgrade: bool,
    pub(super) drain_request: bool,
}

impl Default for Reply {
    fn default() -> Self {
        Self::ok(Bytes::new())
    }
}

impl Reply {
    /// `200` with these bytes.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            content: Content::Bytes(body.into()),
            trailers: None,
            delay: Duration::ZERO,
            held: false,
            cut: None,
            chunked: false,
            pace: Duration::ZERO,
            upgrade: false,
            drain_request: true,
        }
    }

    /// An empty answer with this status.
    ///
    /// # Panics
    ///
    /// If `status` is not between 100 and 999.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status of three digits");
        Self { status, ..Self::default() }
    }

    /// `200` with so many bytes of the [`pattern`](super::pattern).
    #[must_use]
    pub fn pattern(bytes: u64) -> Self {
        Self { content: Content::Pattern(bytes), ..Self::default() }
    }

    /// `200` with the request's body and trailers, streamed back as they arrive.
    #[must_use]
    pub fn echo() -> Self {
        Self { content: Content::Echo, drain_request: false, ..Self::default() }
    }

    /// Closes the connection without a byte of response.
    #[must_use]
    pub fn cut_before_head() -> Self {
        Self::default().cut(Cut::BeforeHead)
    }

    /// Closes the connection between the head and the first byte of a body of 64 KiB.
    #[must_use]
    pub fn cut_after_head() -> Self {
        Self::pattern(64 * 1024).cut(Cut::AfterHead)
    }

    /// Never answers, until [`ScriptedBackend::release`](super::ScriptedBackend::release).
    #[must_use]
    pub fn hang() -> Self {
        Self::default().held()
    }

    /// `101` and then each byte comes back, as a WebSocket echo server would (without frames).
    ///
    /// The answered `upgrade` is the requested one.
    #[must_use]
    pub fn upgrade_echo() -> Self {
        Self {
            status: StatusCode::SWITCHING_PROTOCOLS,
            upgrade: true,
            drain_request: false,
            ..Self::default()
        }
    }

    /// Replaces the status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    ///
    /// # Panics
    ///
    /// If name or value are not legal in HTTP.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// Adds a trailer; the body becomes chunked on HTTP/1.1.
    ///
    /// # Panics
    ///
    /// If name or value are not legal in HTTP.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        let value = HeaderValue::from_str(value).expect("a header value");
        self.trailers.get_or_insert_default().append(name, value);
        self.chunked = true;
        self
    }

    /// Sends the body without content-length.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Waits so long before the head.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits so long before each chunk of a pattern.
    #[must_use]
    pub fn pace(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    /// Waits for [`ScriptedBackend::release`](super::ScriptedBackend::release) before the head.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Cuts the connection at this place.
    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    /// Answers without reading the request's body first.
    ///
    /// By default the body is read to its end before the head goes out.
    #[must_use]
    pub fn without_reading(mut self) -> Self {
        self.drain_request = false;
        self
    }
}

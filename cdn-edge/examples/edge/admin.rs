//! The second listener: purging and preloading for whoever signs, and the state for whoever is on this machine.
//!
//! `POST /purge`, `POST /preload` and `GET /status` are signed, as `terrace_cdn_edge::admin` says. The key comes from
//! `TERRACE_ADMIN_KEY`; without it one is made at each start and printed on stderr, once. Its ID is `admin`.
//!
//! `GET /status` is answered without a signature too, if the listener is on a loopback address: it changes nothing,
//! and whoever runs programs on this machine can look at more than that. Elsewhere it is signed like the rest, for
//! there are URLs in it. A name in `Host` is refused, or any page in a browser on this machine could read it under
//! a name of its own that leads here.

use std::convert::Infallible;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use terrace_cdn_edge::admin::{AdminService, Control, Key, SIGNATURE, Scope};
use tower::{Service, ServiceExt, service_fn};

use super::AnyError;

const VARIABLE: &str = "TERRACE_ADMIN_KEY";

/// The key of the environment, or a new one; and the new one's text, to be shown.
pub(crate) fn key() -> Result<(Key, Option<String>), AnyError> {
    let (secret, shown) = match std::env::var(VARIABLE) {
        Ok(secret) => (secret, None),
        Err(std::env::VarError::NotPresent) => {
            let secret = random()?;
            (secret.clone(), Some(secret))
        }
        Err(error) => return Err(format!("{VARIABLE}: {error}").into()),
    };
    let key = Key::new("admin", secret).map_err(|error| format!("{VARIABLE}: {error}"))?;
    Ok((key.allow(Scope::All).allow(Scope::Preload).allow(Scope::Read), shown))
}

/// 32 bytes of the operating system, in hex.
fn random() -> Result<String, AnyError> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What answers on the second listener.
pub(crate) fn service<C: Control>(
    control: C,
    key: Key,
    address: SocketAddr,
) -> Result<
    impl Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static,
    AnyError,
> {
    let control = Arc::new(control);
    let admin = AdminService::builder(Arc::clone(&control), unix_seconds).key(key).build()?;
    Ok(service_fn(move |request: Request<Incoming>| {
        let (admin, control) = (admin.clone(), Arc::clone(&control));
        async move {
            let is_signed = request.headers().contains_key(SIGNATURE);
            let is_look = request.method() == Method::GET && request.uri().path() == "/status";
            if is_signed || !is_look || !address.ip().is_loopback() {
                return admin.oneshot(request).await;
            }
            if !is_address(request.headers()) {
                return Ok(answer(StatusCode::FORBIDDEN, "{\"error\":\"by address only\"}\n"));
            }
            let report = serde_json::to_string(&control.report()).unwrap_or_default();
            Ok(answer(StatusCode::OK, report + "\n"))
        }
    }))
}

fn is_address(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        name == "localhost" || host.parse::<SocketAddr>().is_ok() || name.parse::<IpAddr>().is_ok()
    })
}

fn answer(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[expect(clippy::disallowed_types, reason = "a program's own clock, which it gives to the library")]
fn unix_seconds() -> u64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

//! What answers behind the listener: everything that the command line says, put together.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Service, service_fn};

use super::{AnyError, Args};

type Body = BoxBody<Bytes, AnyError>;

/// The edge in front of the origin.
pub(crate) fn service(
    args: &Args,
) -> Result<
    impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static,
    AnyError,
> {
    if args.origin.scheme_str() == Some("https") {
        return Err("--origin: https is not built in".into());
    }
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let origin = args.origin.clone();
    Ok(service_fn(move |request: Request<Incoming>| {
        let client = client.clone();
        let request = forwarded(request, &origin);
        async move {
            let Ok(request) = request else { return Ok(plain(StatusCode::BAD_REQUEST, "")) };
            let Ok(mut response) = client.request(request).await else {
                return Ok(plain(StatusCode::BAD_GATEWAY, "the origin does not answer\n"));
            };
            end_to_end(response.headers_mut());
            Ok(response.map(|body| body.map_err(AnyError::from).boxed()))
        }
    }))
}

/// What answers on the second listener.
pub(crate) fn admin(
    args: &Args,
) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static {
    let state = format!(
        "{{\"profile\":{:?},\"memory_mib\":{}}}\n",
        format!("{:?}", args.profile).to_lowercase(),
        args.memory_mib
    );
    service_fn(move |request: Request<Incoming>| {
        let response = if request.method() == Method::GET {
            let mut response = plain(StatusCode::OK, &state);
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        } else {
            plain(StatusCode::METHOD_NOT_ALLOWED, "")
        };
        std::future::ready(Ok(response))
    })
}

/// The request as the origin gets it.
fn forwarded(request: Request<Incoming>, origin: &Uri) -> Result<Request<Incoming>, http::Error> {
    let (mut parts, body) = request.into_parts();
    let mut target = origin.clone().into_parts();
    target.path_and_query = parts.uri.path_and_query().cloned();
    parts.uri = Uri::from_parts(target)?;
    parts.version = Version::HTTP_11;
    end_to_end(&mut parts.headers);
    Ok(Request::from_parts(parts, body))
}

/// Removes what is meant for one connection only.
fn end_to_end(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in listed {
        headers.remove(name);
    }
    for name in
        ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"]
    {
        headers.remove(name);
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

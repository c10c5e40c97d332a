//! Health checks that ask an endpoint the way requests reach it.
//!
//! Each check opens a connection of its own through the endpoint's connector: a pooled one would
//! only prove that the endpoint was alive when it was opened.

use std::future::Future;
use std::ops::RangeInclusive;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri, Version};
use http_body::Body;
use http_body_util::Empty;
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::upstream::{Connect, Protocol, Upstream};
use crate::BoxError;
use crate::health::{Check, CheckError};

/// Passes if a connection can be opened: the process listens. It does not show that it works;
/// prefer [`HttpCheck`] where there is a path to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpCheck;

impl<C, B> Check<Upstream<C, B>> for TcpCheck
where
    C: Connect,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    fn check(
        &self,
        upstream: &Upstream<C, B>,
    ) -> impl Future<Output = Result<(), CheckError>> + Send + 'static {
        let upstream = upstream.clone();
        async move {
            let dialed = upstream.dial().await;
            dialed.map(|_| ()).map_err(|error| CheckError::new(error.to_string()))
        }
    }
}

/// Passes if `GET` of a path answers with an expected status.
#[derive(Debug, Clone)]
pub struct HttpCheck {
    path: PathAndQuery,
    host: Option<HeaderValue>,
    expected: RangeInclusive<u16>,
}

impl HttpCheck {
    /// Asks for this path. Default expectation: 200 to 399, because a redirect comes from a
    /// working application.
    ///
    /// # Errors
    ///
    /// The path is not one that a request can have, or does not begin with `/`.
    pub fn new(path: &str) -> Result<Self, CheckError> {
        let bad = || CheckError::new(format!("{path:?} is not a path such as /healthz"));
        if !path.starts_with('/') {
            return Err(bad());
        }
        let path = PathAndQuery::try_from(path).map_err(|_| bad())?;
        Ok(Self { path, host: None, expected: 200..=399 })
    }

    /// Sets the `Host` to ask with. Default: the endpoint's address.
    #[must_use]
    pub fn host(mut self, host: HeaderValue) -> Self {
        self.host = Some(host);
        self
    }

    /// Sets the statuses that pass.
    #[must_use]
    pub fn expect(mut self, statuses: RangeInclusive<u16>) -> Self {
        self.expected = statuses;
        self
    }

    fn request(
        &self,
        endpoint: &Uri,
        protocol: Protocol,
    ) -> Result<Request<Empty<Bytes>>, BoxError> {
        let mut parts = endpoint.clone().into_parts();
        parts.path_and_query = Some(self.path.clone());
        let authority = parts.authority.as_ref().map_or("", |authority| authority.as_str());
        let host = match &self.host {
            Some(host) => host.clone(),
            None => HeaderValue::from_str(authority)?,
        };
        let mut request = Request::new(Empty::new());
        match protocol {
            Protocol::Http1 => {
                *request.uri_mut() = Uri::from(self.path.clone());
                request.headers_mut().insert(header::HOST, host);
            }
            Protocol::Http2 => {
                parts.authority = Some(host.as_bytes().try_into()?);
                *request.uri_mut() = Uri::from_parts(parts)?;
                *request.version_mut() = Version::HTTP_2;
            }
        }
        let agent = HeaderValue::from_static("terrace-lb health check");
        request.headers_mut().insert(header::USER_AGENT, agent);
        Ok(request)
    }
}

impl<C, B> Check<Upstream<C, B>> for HttpCheck
where
    C: Connect,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    fn check(
        &self,
        upstream: &Upstream<C, B>,
    ) -> impl Future<Output = Result<(), CheckError>> + Send + 'static {
        let (check, upstream) = (self.clone(), upstream.clone());
        async move {
            let dialed = upstream.dial().await;
            let (io, protocol, uri) = dialed.map_err(|error| CheckError::new(error.to_string()))?;
            let request = check.request(&uri, protocol).map_err(CheckError::new)?;
            let status = ask(io, protocol, request).await.map_err(CheckError::new)?;
            if check.expected.contains(&status.as_u16()) {
                Ok(())
            } else {
                Err(CheckError::new(format!("{} answered {status}", check.path)))
            }
        }
    }
}

/// Asks on a connection of its own, which closes with the future.
async fn ask<I>(
    io: I,
    protocol: Protocol,
    request: Request<Empty<Bytes>>,
) -> Result<StatusCode, hyper::Error>
where
    I: Read + Write + Unpin + Send + 'static,
{
    match protocol {
        Protocol::Http1 => {
            let (mut sender, driver) = hyper::client::conn::http1::handshake(io).await?;
            let asked = sender.send_request(request);
            while_driving(asked, driver).await
        }
        Protocol::Http2 => {
            let (mut sender, driver) =
                hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .handshake(io)
                    .await?;
            let asked = sender.send_request(request);
            while_driving(asked, driver).await
        }
    }
}

async fn while_driving<B>(
    asked: impl Future<Output = hyper::Result<http::Response<B>>>,
    driver: impl Future<Output = hyper::Result<()>>,
) -> Result<StatusCode, hyper::Error> {
    tokio::pin!(asked, driver);
    tokio::select! {
        biased;
        response = &mut asked => response.map(|response| response.status()),
        // The driver's end says why, or has completed the answer just before.
        ended = &mut driver => match ended {
            Err(error) => Err(error),
            Ok(()) => asked.await.map(|response| response.status()),
        },
    }
}

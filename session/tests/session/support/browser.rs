use std::convert::Infallible;

use http::{Request, Response, StatusCode, header};
use terrace_session::layer::SessionService;
use terrace_session::{Session, SessionError, SessionLayer};
use tower::{Layer, ServiceExt, service_fn};

/// Keeps the cookie that it was given last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    pub(crate) cookie: Option<String>,
}

/// What came of a visit.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) response: Response<String>,
}

impl Visit {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// What the response says about the cookie.
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        let lines: Vec<_> = self.response.headers().get_all(header::SET_COOKIE).iter().collect();
        assert!(lines.len() <= 1, "one cookie a response: {lines:?}");
        lines.first().map(|line| line.to_str().unwrap())
    }

    pub(crate) fn max_age(&self) -> Option<u64> {
        let attributes = self.set_cookie()?.split("; ");
        attributes
            .filter_map(|at| at.strip_prefix("Max-Age="))
            .next()
            .map(|age| age.parse().unwrap())
    }

    pub(crate) fn error(&self) -> Option<&SessionError> {
        self.response.extensions().get()
    }
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn request(&self) -> Request<()> {
        let mut request = Request::builder();
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        request.body(()).unwrap()
    }

    /// Visits a page, which answers with this status, or with that of the error.
    pub(crate) async fn visit<F, Fut>(&mut self, layer: &SessionLayer, page: F) -> Visit
    where
        F: FnOnce(Session) -> Fut,
        Fut: Future<Output = Result<u16, SessionError>>,
    {
        let response = service(layer, page).oneshot(self.request()).await.unwrap();
        self.keep(&response);
        Visit { response }
    }

    /// Does with the cookie what the response says.
    pub(crate) fn keep<B>(&mut self, response: &Response<B>) {
        for line in response.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let forgotten = line.split("; ").any(|attribute| attribute == "Max-Age=0");
            let pair = line.split(';').next().unwrap().to_owned();
            self.cookie = (!forgotten).then_some(pair);
        }
    }
}

/// A page behind the layer.
pub(crate) fn service<F, Fut>(
    layer: &SessionLayer,
    page: F,
) -> SessionService<
    impl tower::Service<
        Request<()>,
        Response = Response<String>,
        Error = Infallible,
        Future = impl Future<Output = Result<Response<String>, Infallible>>,
    >,
>
where
    F: FnOnce(Session) -> Fut,
    Fut: Future<Output = Result<u16, SessionError>>,
{
    let mut page = Some(page);
    layer.layer(service_fn(move |request: Request<()>| {
        let session = request.extensions().get::<Session>().unwrap().clone();
        let answer = page.take().expect("a page is visited once")(session);
        async move {
            let status = answer.await.unwrap_or_else(|error| error.status().as_u16());
            let mut response = Response::new("the page".to_owned());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok::<_, Infallible>(response)
        }
    }))
}

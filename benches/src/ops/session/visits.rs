use std::convert::Infallible;

use http::header::{ACCEPT, ACCEPT_ENCODING, COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt};

use super::{Asked, Error, Later, Page, Site, VISITORS, Work};
use crate::ops::Op;

/// A site and its visitors, on a runtime of one thread: a login is a task of its own.
pub(super) struct Visits<S> {
    runtime: Runtime,
    desk: Desk<S>,
}

struct Desk<S> {
    service: S,
    work: Work,
    /// What each visitor's browser sends, with the cookie that it was given last.
    visitors: Vec<HeaderMap>,
    at: usize,
    later: Later,
    requests: u64,
    good: u64,
    set: u64,
}

impl<S> Visits<S>
where
    S: Service<Request<Asked>, Response = Page, Error = Infallible>,
{
    /// Visitors with this cookie, which is nobody's.
    pub(super) fn with_cookie(service: S, work: Work, cookie: &str) -> Result<Self, Error> {
        let mut visits = Self::new(service, work, Later::default())?;
        if work != Work::NoCookie {
            let cookie = HeaderValue::try_from(cookie)?;
            for visitor in &mut visits.desk.visitors {
                visitor.insert(COOKIE, cookie.clone());
            }
        }
        Ok(visits)
    }

    /// Visitors who have a session each.
    pub(super) fn with_sessions(service: S, work: Work, later: Later) -> Result<Self, Error> {
        let mut visits = Self::new(service, work, later)?;
        let Self { runtime, desk } = &mut visits;
        runtime.block_on(async {
            for visitor in 0..VISITORS {
                desk.ask(visitor, Asked::Begin(visitor)).await;
            }
        });
        if desk.visitors.iter().any(|visitor| !visitor.contains_key(COOKIE)) {
            return Err("a visitor was given no cookie".into());
        }
        match work {
            Work::NoCookie => visits.desk.visitors.fill(browser()?),
            // Long enough after their first visit for each of them to count.
            Work::Rolling => (0..VISITORS).for_each(|_| visits.desk.later.step()),
            Work::Untouched | Work::Get | Work::Change | Work::Login => {}
        }
        Ok(visits)
    }

    fn new(service: S, work: Work, later: Later) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let visitors = vec![browser()?; VISITORS];
        let desk = Desk { service, work, visitors, at: 0, later, requests: 0, good: 0, set: 0 };
        Ok(Self { runtime, desk })
    }
}

/// What a browser sends. A cookie of somebody else's would cost the rival more than us.
fn browser() -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, "www.example.com".parse()?);
    headers.insert(USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".parse()?);
    headers.insert(ACCEPT, "text/html,*/*;q=0.8".parse()?);
    headers.insert(ACCEPT_ENCODING, "gzip, deflate, br".parse()?);
    Ok(headers)
}

impl<S> Desk<S>
where
    S: Service<Request<Asked>, Response = Page, Error = Infallible>,
{
    /// What is measured.
    async fn visit(&mut self) {
        // In an order that no prefetcher guesses.
        self.at = (self.at + 619) % self.visitors.len();
        if self.work == Work::Rolling {
            self.later.step();
        }
        let page = self.ask(self.at, Asked::Do(self.work, self.at)).await;
        self.requests += 1;
        self.good += u64::from(page.status() == StatusCode::OK);
        self.set += u64::from(page.headers().contains_key(SET_COOKIE));
        std::hint::black_box(page);
    }

    async fn ask(&mut self, visitor: usize, asked: Asked) -> Page {
        let mut request = Request::new(asked);
        request.headers_mut().clone_from(&self.visitors[visitor]);
        let service = match self.service.ready().await {
            Ok(service) => service,
            Err(never) => match never {},
        };
        let page = match service.call(request).await {
            Ok(page) => page,
            Err(never) => match never {},
        };
        // Only these have a cookie that is not the one from before.
        if matches!(asked, Asked::Begin(_) | Asked::Do(Work::Login, _))
            && let Some(cookie) = page.headers().get(SET_COOKIE).and_then(pair)
        {
            self.visitors[visitor].insert(COOKIE, cookie);
        }
        page
    }
}

/// The cookie without its attributes.
fn pair(set: &HeaderValue) -> Option<HeaderValue> {
    let pair = set.as_bytes().split(|byte| *byte == b';').next()?;
    HeaderValue::from_bytes(pair).ok()
}

impl<S> Op for Visits<S>
where
    S: Service<Request<Asked>, Response = Page, Error = Infallible>,
{
    fn once(&mut self) {
        self.repeat(1);
    }

    fn repeat(&mut self, count: u64) {
        let Self { runtime, desk } = self;
        runtime.block_on(async {
            for _ in 0..count {
                desk.visit().await;
            }
        });
    }
}

impl<S> Site for Visits<S>
where
    S: Service<Request<Asked>, Response = Page, Error = Infallible>,
{
    fn answered(&self) -> [u64; 3] {
        [self.desk.requests, self.desk.good, self.desk.set]
    }

    fn values(&mut self) -> Result<Vec<u64>, Error> {
        let Self { runtime, desk } = self;
        runtime.block_on(async {
            let mut values = Vec::with_capacity(VISITORS);
            for visitor in 0..VISITORS {
                let page = desk.ask(visitor, Asked::Show).await;
                let text = page.into_body().collect().await?.to_bytes();
                values.push(std::str::from_utf8(&text)?.parse()?);
            }
            Ok(values)
        })
    }
}

//! The edge beside a plain model: random requests, answers, purges and pauses, and the same question
//! after each: who answered, with what, how old, and what did the origin see.
//!
//! Every sentence of the model can be taken away, and then the two must part: else the sequences would not ask for
//! it.

mod model;
mod script;
mod seen;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use model::{Got, Model, Rule};
use script::{Asked, Method, Plan, Purge, Seen, Step, Told, URLS, sequence};
use terrace_cdn_edge::field::date;
use terrace_cdn_edge::purge::Mode;
use terrace_cdn_edge::{EdgeHandle, EdgeLayer, OriginBody, Profile};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

const SEQUENCES: u64 = 2000;
const BASE: u64 = 1_796_083_200;

/// What the origin does now, and what it has seen.
struct Origin {
    plan: Plan,
    seen: Vec<Seen>,
    now: u64,
}

/// The origin cannot be reached.
#[derive(Debug)]
struct Away;

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("away")
    }
}

impl std::error::Error for Away {}

type Shared = Arc<Mutex<Option<Origin>>>;

fn origin_answers<B>(
    origin: &Shared,
    request: &Request<OriginBody<B>>,
) -> Result<Response<Full<Bytes>>, Away> {
    let text =
        |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let seen = Seen {
        method: match request.method().as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            _ => Method::Post,
        },
        url: request.uri().path()[1..].parse().unwrap(),
        chosen: text("x-a").map(|value| value.parse().unwrap()),
        if_none_match: text("if-none-match"),
    };
    let mut origin = origin.lock().unwrap();
    let origin = origin.as_mut().unwrap();
    origin.seen.push(seen.clone());
    origin.plan.answer(&seen, origin.now).map(written).ok_or(Away)
}

fn written(told: Told) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(told.status);
    let control = Some(told.control.text()).filter(|control| !control.is_empty());
    for (name, value) in [
        ("cache-control", control),
        ("etag", told.etag),
        ("vary", told.vary.then(|| "x-a".to_owned())),
        ("age", told.age.map(|age| age.to_string())),
        ("set-cookie", told.sets_cookie.then(|| "a=b".to_owned())),
    ] {
        if let Some(value) = value {
            response = response.header(name, value);
        }
    }
    if let Some(made) = told.date {
        response = response.header("date", date::format(BASE + made));
    }
    response.body(Full::new(told.body.into())).unwrap()
}

fn request(host: &str, asked: &Asked) -> Request<Empty<Bytes>> {
    let method = match asked.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
    };
    let mut request = Request::builder().method(method).uri(format!("http://{host}/{}", asked.url));
    for (name, value) in [
        ("cache-control", asked.wish.text()),
        ("x-a", asked.chosen.map(|chosen| chosen.to_string())),
        ("authorization", asked.authorization.then(|| "Basic eA==".to_owned())),
        ("cookie", asked.cookie.then(|| "a=b".to_owned())),
        ("if-none-match", asked.if_none_match.clone()),
        ("range", asked.range.then(|| "bytes=0-1".to_owned())),
    ] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    request.body(Empty::new()).unwrap()
}

/// One edge, for sequences at hosts of their own.
struct Edges {
    layer: EdgeLayer,
    handle: EdgeHandle,
    origin: Shared,
    start: Instant,
}

impl Edges {
    fn new(profile: Profile) -> Self {
        let start = Instant::now();
        let seconds = move || Instant::now().saturating_duration_since(start).as_secs();
        let layer = EdgeLayer::builder()
            .profile(profile)
            .seed(1)
            .wall_clock(move || BASE + seconds())
            // How soon a failed origin is asked again is no matter of the RFC.
            .retry_after_failure(Duration::ZERO)
            .build()
            .unwrap();
        Self { handle: layer.handle(), layer, origin: Shared::default(), start }
    }

    fn now(&self) -> u64 {
        Instant::now().saturating_duration_since(self.start).as_secs()
    }

    fn purge(&self, host: &str, purge: &Purge) {
        let mode = |is_hard| if is_hard { Mode::Hard } else { Mode::Soft };
        match *purge {
            Purge::Url(url, is_hard) => {
                let uri = format!("http://{host}/{url}").parse().unwrap();
                self.handle.purge_url(&uri, mode(is_hard)).unwrap();
            }
            Purge::All(is_hard) => {
                self.handle.purge_all(mode(is_hard));
            }
        }
    }

    async fn ask(&self, host: &str, asked: &Asked, plan: &Plan) -> (Got, Vec<Seen>) {
        let now = self.now();
        *self.origin.lock().unwrap() = Some(Origin { plan: plan.clone(), seen: Vec::new(), now });
        let origin = Arc::clone(&self.origin);
        let service = self.layer.layer(tower::service_fn(move |request| {
            std::future::ready(origin_answers::<Empty<Bytes>>(&origin, &request))
        }));
        let got = match service.oneshot(request(host, asked)).await {
            Err(Away) => Got::Error,
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let text = |name: &str| {
                    parts.headers.get(name).map(HeaderValue::to_str).transpose().unwrap()
                };
                let is_own = parts.extensions.get::<terrace_cdn_edge::EdgeFailure>().is_some();
                Got::Response {
                    hit: text("cache-status").unwrap().contains("; hit"),
                    status: parts.status.as_u16(),
                    body: if is_own {
                        String::new()
                    } else {
                        String::from_utf8(body.into()).unwrap()
                    },
                    age: text("age").map(|age| age.parse().unwrap()),
                }
            }
        };
        // What is asked for behind an answer, and what is stored behind it, gets its turn.
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
        let seen = std::mem::take(&mut self.origin.lock().unwrap().as_mut().unwrap().seen);
        (got, seen)
    }
}

/// Plays a sequence to both. The step at which they part, and what they say there.
async fn play(edges: &Edges, host: &str, steps: &[Step], mut model: Model) -> Result<(), String> {
    for (at, step) in steps.iter().enumerate() {
        tokio::time::advance(Duration::from_secs(step.wait)).await;
        if let Some(purge) = &step.purge {
            edges.purge(host, purge);
            model.purge(purge);
        }
        let ours = edges.ask(host, &step.asked, &step.plan).await;
        let got = model.ask(&step.asked, &step.plan, edges.now());
        let wanted = (got, std::mem::take(&mut model.seen));
        if ours != wanted {
            return Err(format!("step {at}:\n edge {ours:?}\nmodel {wanted:?}"));
        }
    }
    Ok(())
}

/// The first sequence in which a model without a rule parts from the edge, without the steps that it can spare.
async fn first_difference(profile: Profile, seed: u64, without: Option<Rule>) -> Option<String> {
    let edges = Edges::new(profile);
    let model = || Model::new(profile == Profile::Secure, without);
    for number in 0..SEQUENCES {
        let seed = seed.wrapping_add(number);
        let mut steps = sequence(&mut Rng::with_seed(seed));
        let host = format!("s{number}.test");
        let Err(mut difference) = play(&edges, &host, &steps, model()).await else { continue };
        for at in (0..steps.len()).rev() {
            let fewer = [&steps[..at], &steps[at + 1..]].concat();
            let host = format!("s{number}-{at}.test");
            if let Err(same) = play(&edges, &host, &fewer, model()).await {
                (steps, difference) = (fewer, same);
            }
        }
        let steps: String = steps.iter().map(|step| format!("\n{step:?}")).collect();
        return Some(format!("seed {seed}: {difference}{steps}"));
    }
    None
}

async fn agrees(profile: Profile) {
    let seed = fastrand::u64(..);
    println!("seed {seed}, {URLS} URLs, {SEQUENCES} sequences");
    if let Some(difference) = first_difference(profile, seed, None).await {
        panic!("{difference}");
    }
}

#[tokio::test(start_paused = true)]
async fn by_the_rfc_the_edge_does_what_the_model_does() {
    agrees(Profile::Rfc).await;
}

#[tokio::test(start_paused = true)]
async fn by_default_the_edge_does_what_the_model_does() {
    agrees(Profile::Secure).await;
}

#[tokio::test(start_paused = true)]
async fn a_model_that_forgets_a_rule_is_found_out() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    for rule in Rule::ALL {
        let profile = match rule {
            Rule::Cookies | Rule::SetCookie | Rule::ErrorLifetime => Profile::Secure,
            _ => Profile::Rfc,
        };
        let difference = first_difference(profile, seed, Some(rule)).await;
        assert!(difference.is_some(), "seed {seed}: nobody missed {rule:?}");
    }
}

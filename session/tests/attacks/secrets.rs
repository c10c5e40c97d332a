//! What gets out: logs, metrics, errors, and what is printed of a session. None of it may be a token.

use std::convert::Infallible;
use std::error::Error;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use http::{Request, Response, header};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use terrace_session::{Outage, Session, SessionError};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::field::{Field, Visit};
use tracing::span;

use crate::support::{Browser, Fault, MINUTE, Site};
use crate::{log_in, put, token};

/// All that is written anywhere.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<String>>);

impl Written {
    fn add(&self, what: &dyn Debug) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(text, "{what:?}").unwrap();
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Visit for Written {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(&format_args!("{field}={value:?}"));
    }
}

/// Takes every event and every span, at every level.
struct Everything(Written);

impl tracing::Subscriber for Everything {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut self.0.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.0.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.0.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Of this process, all tests together: there can be one only.
fn logged() -> Written {
    static LOGGED: Mutex<Option<Written>> = Mutex::new(None);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let made = || {
        let written = Written::default();
        tracing::subscriber::set_global_default(Everything(written.clone())).unwrap();
        written
    };
    logged.get_or_insert_with(made).clone()
}

/// Names and labels.
impl Recorder for Written {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.key(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.key(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.key(key);
        Histogram::noop()
    }
}

impl Written {
    fn key(&self, key: &Key) {
        self.add(&key.name());
        for label in key.labels() {
            self.add(&format_args!("{}={}", label.key(), label.value()));
        }
    }

    fn error(&self, error: &SessionError) {
        let mut source: Option<&dyn Error> = Some(error);
        while let Some(error) = source {
            self.add(&format_args!("{error} {error:?}"));
            source = error.source();
        }
    }
}

/// Whether a text has any twelve letters of a token in a row.
fn shows(text: &str, token: &str) -> bool {
    (0..=token.len() - 12).any(|at| text.contains(&token[at..at + 12]))
}

/// Everything that a handler can ask for, whatever comes of it.
async fn everything(written: &Written, session: &Session) {
    let others = session.devices().await;
    let other = others.iter().flatten().find(|device| !device.current).map(|device| device.id);
    let done = [
        others.map(drop),
        session.get::<u64>("n").await.map(drop),
        session.get::<Vec<u64>>("n").await.map(drop),
        session.set("m", &1).await,
        session.set("", &1).await,
        session.set("long", &"x".repeat(100_000)).await,
        session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await.map(drop),
        session.commit().await,
        session.renew().await,
        session.elevate().await,
        match other {
            Some(other) => session.revoke_device(&other).await.map(drop),
            None => Ok(()),
        },
        session.revoke_others().await.map(drop),
        session.login("eve").await,
        session.set_blind("k", &1),
        session.logout().await,
        session.login("ada").await,
        session.set("n", &1).await,
    ];
    done.iter().filter_map(|done| done.as_ref().err()).for_each(|error| written.error(error));
    written.add(&(session, session.fingerprint()));
}

fn tokens<B>(response: &Response<B>) -> impl Iterator<Item = String> {
    let lines = response.headers().get_all(header::SET_COOKIE).into_iter();
    lines.filter_map(|line| {
        let (_, token) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
        (!token.is_empty()).then(|| token.to_owned())
    })
}

#[tokio::test(start_paused = true)]
async fn no_token_is_in_logs_metrics_and_errors() {
    let written = logged();
    let _measured = metrics::set_default_local_recorder(&written);
    let mut seen = Vec::new();
    let faults: [Option<fn() -> Fault>; 6] = [
        None,
        Some(|| Fault::Refuse),
        Some(|| Fault::LoseRequest),
        Some(|| Fault::LoseAnswer),
        Some(|| Fault::Invalid),
        Some(|| Fault::Hang),
    ];
    for fault in faults {
        for outage in [Outage::FailClosed, Outage::Anonymous, Outage::StaleOk(MINUTE)] {
            let site = Site::with(|builder| builder.outage(outage));
            let mut browser = Browser::new();
            log_in(&site, &mut browser, "ada").await;
            put(&site.layer, &mut browser, "n", 1).await;
            seen.push(token(&browser));
            site.store.always(fault.map(|fault| fault()));
            let (of_page, layer) = (written.clone(), site.layer.clone());
            let page = service_fn(move |request: Request<()>| {
                let (written, layer) = (of_page.clone(), layer.clone());
                async move {
                    let session = request.extensions().get::<Session>().unwrap();
                    tracing::info!(?session, "a page");
                    everything(&written, session).await;
                    written.add(&(&layer, layer.sessions()));
                    Ok::<_, Infallible>(Response::new(String::new()))
                }
            });
            let trace = TraceLayer::new_for_http()
                .on_response(DefaultOnResponse::new().include_headers(true));
            let plain = |request: Request<Body>| request.map(drop);
            let service = trace.layer(site.layer.layer(page).map_request(plain));
            for _ in 0..4 {
                let request = browser.request().map(|()| Body::empty());
                let response = service.clone().oneshot(request).await.unwrap();
                written.add(&(response.status(), response.headers()));
                if let Some(error) = response.extensions().get::<SessionError>() {
                    written.error(error);
                }
                seen.extend(tokens(&response));
                browser.keep(&response);
            }
        }
    }
    let text = written.text();
    for token in &seen {
        assert!(!shows(&text, token), "{token} in {text}");
    }
    let wanted = [
        "a page",
        "Sensitive",
        "terrace.session.requests",
        "outcome=unknown",
        "not answer",
        "is left alone",
    ];
    for wanted in wanted {
        assert!(text.contains(wanted), "control: nothing about {wanted:?} was written");
    }
    assert!(seen.len() > 20, "control: {} tokens", seen.len());
    tracing::trace!(cookie = seen[0], "what must not be");
    assert!(shows(&written.text(), &seen[0]), "control: it would have been seen");
}

#[tokio::test]
async fn labels_are_of_closed_sets() {
    let written = Written::default();
    let _measured = metrics::set_default_local_recorder(&written);
    let site = Site::new();
    let mut browser = Browser::new();
    log_in(&site, &mut browser, "a user whose name is nobody's business").await;
    put(&site.layer, &mut browser, "a name of a value", 1).await;
    let text = written.text();
    assert!(text.contains("operation=load"), "control: {text}");
    let label = |line: &str| {
        let values = [
            "untouched",
            "read",
            "written",
            "gone",
            "failed",
            "ok",
            "unavailable",
            "unknown",
            "invalid",
            "forged",
            "ambiguous",
            "load",
            "create",
            "patch",
            "rotate",
            "delete",
            "list",
            "revoke",
            "epoch",
            "sweep",
            "login",
            "logout",
            "elevate",
            "renew",
        ];
        match line.split_once('=') {
            Some((key, value)) => {
                ["outcome", "operation", "reason"].contains(&key) && values.contains(&value)
            }
            None => line.starts_with("\"terrace.session."),
        }
    };
    for line in text.lines() {
        assert!(label(line), "{line}");
    }
}

//! What can be asked of the site.

use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use terrace_session::{Device, Login, Session, SessionError, SignedIn};

use super::kept::Kept;
use super::page;

/// Bytes of a user's name, an id and the like: a line that fits on a page.
const LONGEST: usize = 64;
/// How often an increment is tried again that others were faster than, on top of the tries of `update` itself: a page that
/// counts twenty times at once should get twenty more.
const TRIES: usize = 16;

pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(page::html))
        .route("/page.css", get(page::css))
        .route("/page.js", get(page::js))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/me", get(me))
        .route("/set", post(set))
        .route("/get", get(value))
        .route("/incr", post(increment))
        .route("/applied", get(applied))
        .route("/devices", get(devices))
        .route("/revoke-others", post(revoke_others))
}

type Answer = Result<Response, Refusal>;

#[derive(Debug, Deserialize)]
struct Credentials {
    user: String,
    device: Option<String>,
}

/// Nobody asks for a password: what comes after that question is what this shows.
async fn login(
    session: Session,
    Query(Credentials { user, device }): Query<Credentials>,
    headers: HeaderMap,
) -> Answer {
    short("user", &user)?;
    let mut from = Device::from_headers(&headers);
    if let Some(device) = device {
        short("device", &device)?;
        from = from.label(device);
    }
    session.login(Login::new(&*user).device(from)).await?;
    Ok(json_of(&json!({ "user": user })))
}

async fn logout(session: Session) -> Answer {
    session.logout().await?;
    Ok(json_of(&json!({ "user": null })))
}

async fn me(session: Session) -> Answer {
    let user = session.subject().await?;
    Ok(json_of(&json!({ "user": user.as_deref() })))
}

#[derive(Debug, Deserialize)]
struct Setting {
    key: String,
    value: Option<String>,
}

async fn set(
    session: Session,
    Query(Setting { key, value }): Query<Setting>,
    body: String,
) -> Answer {
    let value = value.unwrap_or(body);
    session.set(&key, &Kept::Text(value.clone())).await?;
    Ok(value.into_response())
}

#[derive(Debug, Deserialize)]
struct Named {
    key: String,
}

async fn value(session: Session, Query(Named { key }): Query<Named>) -> Answer {
    let kept = session.get::<Kept>(&key).await?;
    Ok(kept
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |kept| kept.text().into_response()))
}

#[derive(Debug, Deserialize)]
struct Step {
    key: String,
    id: Option<String>,
}

async fn increment(session: Session, Query(Step { key, id }): Query<Step>) -> Answer {
    if let Some(id) = &id {
        short("id", id)?;
    }
    let mut tries = 0;
    let kept = loop {
        match add_one(&session, &key, id.as_deref()).await {
            // Nothing was done, and each time somebody else was.
            Err(SessionError::Conflict) if tries < TRIES => tries += 1,
            done => break done?,
        }
    };
    let Some(kept) = kept else { return Err(Refusal::NoNumber) };
    Ok(kept.text().into_response())
}

/// What is kept then, or nothing if that is no number.
async fn add_one(
    session: &Session,
    key: &str,
    id: Option<&str>,
) -> Result<Option<Kept>, SessionError> {
    let mut is_number = true;
    let kept = session.update(key, |kept: Option<Kept>| {
        let kept = kept.unwrap_or(Kept::Number(0));
        // Called again when somebody else was faster, with what is there then.
        let more = kept.incremented(id);
        is_number = more.is_some();
        more.unwrap_or(kept)
    });
    let kept = kept.await?;
    Ok(is_number.then_some(kept))
}

#[derive(Debug, Deserialize)]
struct Receipt {
    key: String,
    id: String,
}

async fn applied(session: Session, Query(Receipt { key, id }): Query<Receipt>) -> Answer {
    let times = session.get::<Kept>(&key).await?.map_or(0, |kept| kept.times(&id));
    Ok(json_of(&json!({ "applied": times > 0, "times": times })))
}

async fn devices(session: Session) -> Answer {
    let list: Vec<Value> = session.devices().await?.iter().map(device).collect();
    Ok(json_of(&list.into()))
}

fn device(one: &SignedIn) -> Value {
    json!({
        "id": one.id.to_string(),
        "current": one.current,
        "label": one.device.label,
        "agent": one.device.agent,
        "created": one.created.0,
        "last_seen": one.last_seen.0,
        "expires": one.expires.0,
    })
}

async fn revoke_others(session: Session) -> Answer {
    let ended = session.revoke_others().await?;
    Ok(json_of(&json!({ "ended": ended })))
}

/// Why a request was not done.
enum Refusal {
    Session(SessionError),
    Parameter(&'static str),
    NoNumber,
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            // A name is a programmer's mistake elsewhere. Here it came with the request.
            Self::Session(SessionError::Name(error)) => {
                (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response()
            }
            Self::Session(error) => {
                let why = format!("{error}\n");
                // Its status and headers. The words are for whoever uses curl.
                (error.into_response().into_parts().0, why).into_response()
            }
            Self::Parameter(name) => {
                let why = format!("{name} has 1 to {LONGEST} bytes, and no control characters\n");
                (StatusCode::BAD_REQUEST, why).into_response()
            }
            Self::NoNumber => (StatusCode::CONFLICT, "there is something that cannot be counted\n")
                .into_response(),
        }
    }
}

fn short(name: &'static str, text: &str) -> Result<(), Refusal> {
    let fits = (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Refusal::Parameter(name)) }
}

fn json_of(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}

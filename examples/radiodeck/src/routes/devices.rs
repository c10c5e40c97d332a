//! Where a listener is signed in.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use terrace_session::{DeviceId, Session, SessionError};

use crate::api::Devices;
use crate::app::App;
use crate::http::error::Error;
use crate::http::negotiate::Format;
use crate::http::visit::Visit;

/// A visit to a site that has sessions. On all others there is no such page.
pub(super) struct Signed {
    visit: Visit,
    session: Session,
}

impl FromRequestParts<App> for Signed {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let session = parts.extensions.get().cloned().ok_or(Error::NotFound("page"))?;
        let visit = Visit::from_request_parts(parts, app).await?;
        Ok(Self { visit, session })
    }
}

pub(super) async fn list(Signed { visit, session }: Signed) -> Result<Response, Error> {
    match session.devices().await {
        Ok(devices) => {
            let devices = devices.into_iter().map(Into::into).collect();
            visit.show(&Devices { devices }).await
        }
        Err(error) => nobody(&visit, error),
    }
}

pub(super) async fn end_others(Signed { visit, session }: Signed) -> Result<Response, Error> {
    match session.revoke_others().await {
        Ok(_) => Ok(Redirect::to("/devices").into_response()),
        Err(error) => nobody(&visit, error),
    }
}

pub(super) async fn end(
    Signed { visit, session }: Signed,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let id: DeviceId = id.parse().map_err(|_| Error::NotFound("device"))?;
    match session.revoke_device(&id).await {
        Ok(true) => Ok(Redirect::to("/devices").into_response()),
        Ok(false) => Err(Error::NotFound("device")),
        Err(error) => nobody(&visit, error),
    }
}

fn nobody(visit: &Visit, error: SessionError) -> Result<Response, Error> {
    match error {
        SessionError::NotLoggedIn if visit.format == Format::Html => {
            Ok(Redirect::to("/sign-in?next=%2Fdevices").into_response())
        }
        SessionError::NotLoggedIn => Err(Error::SignInFirst),
        error => Err(error.into()),
    }
}

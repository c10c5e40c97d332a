use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use bytes::Bytes;

use super::favourites::{bring_along, is_local, read_form};
use crate::api::{ListenerView, SignIn};
use crate::http::client::ClientAddr;
use crate::http::error::Error;
use crate::http::params::{BadParam, Params};
use crate::http::visit::{Id, Visit};
use crate::model::ListenerId;

pub(super) async fn detail(visit: Visit, Id(id): Id<ListenerId>) -> Result<Response, Error> {
    let listener = visit.app.store.listener(id).await?.ok_or(Error::NotFound("listener"))?;
    visit.show(&ListenerView::from(listener)).await
}

pub(super) async fn sign_in_page(visit: Visit) -> Result<Response, Error> {
    let next = visit.params.one("next")?.filter(|next| is_local(next)).unwrap_or("/");
    visit.show(&SignIn { next: next.to_owned() }).await
}

pub(super) async fn sign_in(visit: Visit, request: Request) -> Result<Response, Error> {
    let (parts, form) = form_of(request).await?;
    let listener: ListenerId = form
        .one("listener")?
        .and_then(|text| text.trim().parse().ok())
        .ok_or(BadParam::new("listener", "is a number from 1 upwards"))?;
    if visit.app.store.listener(listener).await?.is_none() {
        return Err(Error::UnknownListener);
    }
    let next = form.one("next")?.filter(|next| is_local(next)).unwrap_or("/");
    let from = ClientAddr::of(&parts.extensions, &parts.headers, visit.app.edge.is_some());
    let headers = visit.app.identity.sign_in(&parts, listener, from).await?;
    if let Some(shelf) = &visit.shelf {
        let app = visit.app.within(&parts.extensions);
        bring_along(&*app.store, shelf, listener, visit.now).await?;
    }
    Ok((AppendHeaders(headers), Redirect::to(next)).into_response())
}

pub(super) async fn sign_out(visit: Visit, request: Request) -> Result<Response, Error> {
    let (parts, _) = form_of(request).await?;
    let headers = visit.app.identity.sign_out(&parts).await?;
    Ok((AppendHeaders(headers), Redirect::to("/")).into_response())
}

async fn form_of(request: Request) -> Result<(Parts, Params), Error> {
    let (parts, body) = request.into_parts();
    let body = Bytes::from_request(Request::new(body), &())
        .await
        .map_err(|_| Error::BadRequest("the form could not be read".to_owned()))?;
    Ok((parts, read_form(&body)?))
}

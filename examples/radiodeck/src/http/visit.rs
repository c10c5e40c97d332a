use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderName, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::HashSet;
use std::str::FromStr;

use super::error::Error;
use super::negotiate::Format;
use super::params::Params;
use super::xml;
use crate::app::App;
use crate::identity;
use crate::model::{Listener, ListenerId, StationId};
use crate::sessions::Shelf;
use crate::view::{self, Markup, Pictures};

/// How long a shared cache may keep an answer for a visitor nobody knows: long enough to carry a
/// rush, short enough that "on air" is true within a breath. A cache may go on with an old answer
/// for a day when the site is down.
///
/// In a field of its own and not as `s-maxage`, which forbids to serve anything stale, whatever
/// stands beside it (RFC 9111, 5.2.2.10).
const SHARED: &str = "public, max-age=5, stale-while-revalidate=30, stale-if-error=86400";

/// Speaks to such caches alone (RFC 9213), and before `Cache-Control`.
pub(crate) const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// A browser asks every time.
const BROWSERS: &str = "public, max-age=0";

/// What every handler wants to know of a request.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) app: App,
    pub(crate) format: Format,
    pub(crate) params: Params,
    pub(crate) listener: Option<ListenerId>,
    /// What the visitor keeps, or has kept, as a stranger, where strangers keep something.
    pub(crate) shelf: Option<Shelf>,
    /// Nothing in the request tells this visitor from any other.
    pub(crate) anonymous: bool,
    pub(crate) now: i64,
}

impl FromRequestParts<App> for Visit {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let params = Params::parse(parts.uri.query().unwrap_or(""))?;
        let format = Format::of(parts, &params)?;
        let listener = app.identity.listener(parts).await?;
        let shelf = app.identity.shelf(parts);
        let app = match listener {
            Some(_) => app.within(&parts.extensions),
            None => app.clone(),
        };
        let now = app.clock.now();
        // Not just anybody without a badge: a shared cache would keep one copy for each cookie.
        let badges = [COOKIE, identity::HEADER];
        let anonymous = badges.iter().all(|badge| !parts.headers.contains_key(badge));
        Ok(Self { app, format, params, listener, shelf, anonymous, now })
    }
}

/// Something that can be shown in every form.
pub(crate) trait Show: Serialize {
    /// The name of its XML document.
    const NAME: &'static str;

    /// The title and the content of its page.
    fn page(&self, site: &Site<'_>) -> (String, Markup);
}

/// What a page shows besides its content.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) listener: Option<&'a Listener>,
    /// Whether there is a page of the listener's devices.
    pub(crate) devices: bool,
    pub(crate) search: &'a str,
    pub(crate) now: i64,
    /// Where it has its pictures from.
    pub(crate) pictures: &'a Pictures,
}

impl Visit {
    /// Which of these stations the visitor keeps; `None` if they keep none, as nobody knows them.
    pub(crate) async fn kept(
        &self,
        stations: &[StationId],
    ) -> Result<Option<HashSet<StationId>>, Error> {
        Ok(match (self.listener, &self.shelf) {
            (Some(listener), _) => Some(self.app.store.kept(listener, stations).await?),
            (None, Some(shelf)) => Some(shelf.stations().await?.into_iter().collect()),
            (None, None) => None,
        })
    }

    /// Answers in the form the caller asked for.
    pub(crate) async fn show<T: Show>(&self, content: &T) -> Result<Response, Error> {
        let body = match self.format {
            Format::Html => {
                let listener = match self.listener {
                    // A badge with an unknown number on it is nobody's.
                    Some(id) => self.app.store.listener(id).await?,
                    None => None,
                };
                let search = self.params.one("q").ok().flatten().unwrap_or("");
                let (now, pictures) = (self.now, &self.app.pictures);
                let devices = self.shelf.is_some();
                let site = Site { listener: listener.as_ref(), devices, search, now, pictures };
                let (title, main) = content.page(&site);
                view::page(&site, &title, &main).into_string()
            }
            Format::Json => serde_json::to_string(content).unwrap_or_default(),
            Format::Xml => {
                xml::document(T::NAME, &serde_json::to_value(content).unwrap_or_default())
            }
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.insert(VARY, HeaderValue::from_static("accept, cookie, x-listener"));
        if self.anonymous && self.listener.is_none() {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(BROWSERS));
            headers.insert(CDN_CACHE_CONTROL, HeaderValue::from_static(SHARED));
        } else {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        }
        if self.format == Format::Html {
            view::protect(&mut headers, &self.app.pictures);
        }
        Ok((headers, body).into_response())
    }
}

/// An id in the path. Text that is no id names nothing, so it is answered like an unknown id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr + Send> FromRequestParts<App> for Id<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        match Path::<String>::from_request_parts(parts, app).await {
            Ok(Path(text)) => text.parse().map(Self).map_err(|_| Error::NotFound("page")),
            Err(PathRejection::FailedToDeserializePathParams(_)) => {
                Err(Error::BadRequest("the address is not UTF-8".to_owned()))
            }
            Err(_) => Err(Error::NotFound("page")),
        }
    }
}

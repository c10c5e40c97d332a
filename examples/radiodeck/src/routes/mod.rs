//! The addresses of the site.

mod devices;
mod favourites;
mod files;
mod home;
mod listeners;
mod stations;
mod status;

use axum::Router;
use axum::http::HeaderValue;
use axum::middleware;
use axum::response::Response;
use axum::routing::get;

use crate::app::App;
use crate::counts::count_queries;
use crate::http::error::Error;

/// The site.
///
/// Layers belong around it, in the stage's `main.rs`; [`error_pages`](crate::error_pages) is the one
/// that the site counts on.
pub fn router(app: App) -> Router {
    let name = app.name.as_deref().and_then(|name| HeaderValue::from_str(name).ok());
    let routes = Router::new()
        .route("/", get(home::home))
        .route("/stations", get(stations::list))
        .route("/stations/{id}", get(stations::detail))
        .route("/stations/{id}/tracks", get(stations::programme))
        .route("/stations/{id}/now", get(stations::on_air))
        .route("/tracks/{id}", get(stations::track))
        .route("/favourites", get(favourites::list))
        .route(
            "/favourites/{id}",
            axum::routing::put(favourites::keep)
                .delete(favourites::drop_favourite)
                .post(favourites::form),
        )
        .route("/listeners/{id}", get(listeners::detail))
        .route("/sign-in", get(listeners::sign_in_page).post(listeners::sign_in))
        .route("/sign-out", axum::routing::post(listeners::sign_out))
        .route("/devices", get(devices::list))
        .route("/devices/others/sign-out", axum::routing::post(devices::end_others))
        .route("/devices/{id}/sign-out", axum::routing::post(devices::end))
        .route("/covers/{file}", get(files::cover))
        .route("/assets/{file}", get(files::asset))
        .route("/favicon.ico", get(files::icon))
        .route("/status", get(status::status))
        .route("/whoami", get(status::whoami))
        .route("/healthz", get(status::healthz))
        .route("/readyz", get(status::readyz))
        .route("/metrics", get(status::metrics))
        .route_layer(middleware::from_fn(count_queries))
        .fallback(async || Error::NotFound("page"))
        .with_state(app);
    match name {
        Some(name) => routes.layer(middleware::map_response(move |mut response: Response| {
            response.headers_mut().insert("x-served-by", name.clone());
            std::future::ready(response)
        })),
        None => routes,
    }
}

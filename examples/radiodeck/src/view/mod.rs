//! The pages.

mod devices;
pub(crate) mod markup;
mod pages;
mod parts;
mod pictures;
mod status;

use axum::http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use crate::assets;
use crate::http::visit::Site;
use crate::model::Listener;
pub(crate) use markup::{Markup, html};
pub(crate) use pictures::Pictures;

/// Adds the headers that every page carries.
pub(crate) fn protect(headers: &mut HeaderMap, pictures: &Pictures) {
    headers.insert(CONTENT_SECURITY_POLICY, pictures.policy());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
}

/// A whole page around its content.
pub(crate) fn page(site: &Site<'_>, title: &str, main: &Markup) -> Markup {
    let account = match site.listener {
        Some(listener) => html!(
            "<form class=\"account\" method=\"post\" action=\"/sign-out\">"
            (name(listener, site.devices))
            "<button class=\"quiet\">Sign out</button></form>"
        ),
        None => html!("<a class=\"account button\" href=\"/sign-in\">Sign in</a>"),
    };
    let top = html!(
        "<a class=\"skip\" href=\"#main\">Skip to content</a>\
         <header class=\"top\"><div class=\"wrap\">"
        (brand(site.pictures))
        "<nav aria-label=\"Site\"><a href=\"/stations\">Stations</a>\
         <a href=\"/favourites\">Favourites</a></nav>\
         <form class=\"search\" role=\"search\" action=\"/stations\">\
         <input type=\"search\" name=\"q\" maxlength=\"100\" placeholder=\"Name, city or country\" \
         aria-label=\"Search stations\" value=\"" (site.search) "\"></form>"
        (account)
        "</div></header>"
    );
    let body = html!((top) "<main id=\"main\" class=\"wrap\">" (main) "</main>" (footer()));
    document(title, &body)
}

/// A page that says no. It asks the database for nothing, as the database may be the reason.
pub(crate) fn error_page(status: StatusCode, reason: &str) -> Markup {
    let (title, advice) = match status.as_u16() {
        404 => ("Nothing but static", "The page moved or never was. The dial is still there."),
        401 => ("Who is listening?", "This page belongs to a listener. Sign in and come back."),
        400..500 => ("That did not come through", "Check the address and try again."),
        503 | 504 => {
            ("Lost the signal", "This is on our side and usually passes. Try again in a moment.")
        }
        _ => ("Something broke", "This is on our side. We have a note of it."),
    };
    let action = if status == StatusCode::UNAUTHORIZED {
        html!("<a class=\"button\" href=\"/sign-in\">Sign in</a>")
    } else {
        html!("<a class=\"button\" href=\"/stations\">Browse stations</a>")
    };
    let body = html!(
        "<header class=\"top\"><div class=\"wrap\">" (brand(&Pictures::default())) "</div></header>\
         <main id=\"main\" class=\"wrap\"><section class=\"empty\">"
        (parts::static_noise())
        "<h1>" (title) "</h1><p>" (advice) "</p><p class=\"fine\">" (status.as_u16()) " · "
        (reason) "</p>" (action) "</section></main>" (footer())
    );
    document(title, &body)
}

/// Styles and scripts come from where the page comes from: a browser asks for them once and no second
/// time elsewhere.
fn document(title: &str, body: &Markup) -> Markup {
    html!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>" (title) " · Radiodeck</title>\
         <link rel=\"icon\" href=\"" (assets::address(assets::ICON)) "\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"" (assets::address(assets::STYLE)) "\">\
         <script src=\"" (assets::address(assets::SCRIPT)) "\" defer></script>\
         </head><body>" (body) "</body></html>"
    )
}

fn brand(pictures: &Pictures) -> Markup {
    let icon = assets::address(assets::ICON);
    html!(
        "<a class=\"brand\" href=\"/\"><img src=\"" (pictures.url(&icon)) "\" alt=\"\" width=\"32\" \
         height=\"32\"" (pictures.second_chance(&icon)) ">Radiodeck</a>"
    )
}

fn footer() -> Markup {
    html!(
        "<footer class=\"wrap\"><p>Radiodeck, small stations from everywhere.</p>\
         <p>For programs: <a href=\"/stations?format=json\">JSON</a> \
         <a href=\"/stations?format=xml\">XML</a> <a href=\"/metrics\">Metrics</a> \
         <a href=\"/status\">Status</a></p></footer>"
    )
}

/// Who is signed in, and the way to where else they are.
fn name(listener: &Listener, devices: bool) -> Markup {
    let name = html!(
        "<span class=\"badge\" aria-hidden=\"true\">" (initials(&listener.name)) "</span>\
         <span class=\"name\">" (listener.name) "</span>"
    );
    if devices {
        html!("<a class=\"who\" href=\"/devices\" title=\"Your devices\">" (name) "</a>")
    } else {
        name
    }
}

fn initials(name: &str) -> String {
    name.split(' ').filter_map(|word| word.chars().next()).take(2).collect()
}

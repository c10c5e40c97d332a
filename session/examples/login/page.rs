//! The page that lets a person try it. It does not touch the session: whoever only looks gets no cookie.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName};

type Asset = ([(HeaderName, &'static str); 2], &'static str);

/// Everything from here, nothing from elsewhere, and in nobody's frame.
const POLICY: &str = "default-src 'none'; connect-src 'self'; style-src 'self'; script-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub(crate) async fn html() -> Asset {
    asset("text/html; charset=utf-8", include_str!("page.html"))
}

pub(crate) async fn css() -> Asset {
    asset("text/css; charset=utf-8", include_str!("page.css"))
}

pub(crate) async fn js() -> Asset {
    asset("text/javascript; charset=utf-8", include_str!("page.js"))
}

fn asset(kind: &'static str, text: &'static str) -> Asset {
    ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, POLICY)], text)
}

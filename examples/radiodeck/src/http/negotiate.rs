//! Which form a caller wants.

use axum::http::header::{ACCEPT, HOST};
use axum::http::request::Parts;
use axum::http::uri::Authority;

use super::params::{BadParam, Params};

/// The form of a response.
///
/// `?format=` decides if it is there. Else the host: `www.…` is the site for people, `api.…` the one
/// for programs (which may still ask for XML by `Accept`). Any other host decides by `Accept`, and
/// who does not say gets JSON, because a browser always says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people.
    Html,
    /// For programs.
    Json,
    /// For old programs.
    Xml,
}

impl Format {
    pub(crate) fn of(parts: &Parts, params: &Params) -> Result<Self, BadParam> {
        match params.one("format")? {
            Some("html") => return Ok(Self::Html),
            Some("json") => return Ok(Self::Json),
            Some("xml") => return Ok(Self::Xml),
            Some(_) => return Err(BadParam::new("format", "is html, json or xml")),
            None => {}
        }
        let accepted = || -> Vec<&str> {
            parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect()
        };
        Ok(match host(parts) {
            Some(host) if starts_with(host, "www.") => Self::Html,
            Some(host) if starts_with(host, "api.") => {
                // A browser likes XML better than JSON, but HTML best: it gets JSON here.
                match best(&accepted(), &[Self::Json, Self::Html, Self::Xml]) {
                    Self::Xml => Self::Xml,
                    _ => Self::Json,
                }
            }
            _ => best(&accepted(), &[Self::Json, Self::Html, Self::Xml]),
        })
    }

    /// For a response to a request that may be broken in every way.
    pub(crate) fn of_broken(parts: &Parts) -> Self {
        let params = Params::parse(parts.uri.query().unwrap_or("")).unwrap_or_default();
        Self::of(parts, &params)
            .or_else(|_| Self::of(parts, &Params::default()))
            .unwrap_or(Self::Json)
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
            Self::Xml => "application/xml; charset=utf-8",
        }
    }

    fn media_types(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Html => &[("text", "html"), ("application", "xhtml+xml")],
            Self::Json => &[("application", "json")],
            Self::Xml => &[("application", "xml"), ("text", "xml")],
        }
    }

    /// The highest quality that the accepted ranges give this form, in thousandths, and how exactly
    /// they name it.
    fn quality(self, accept: &[&str]) -> Option<(u16, u8)> {
        let mut best: Option<(u16, u8)> = None;
        for range in accept.iter().flat_map(|value| value.split(',')) {
            let mut pieces = range.split(';').map(str::trim);
            let Some((kind, subtype)) = pieces.next().and_then(|range| range.split_once('/'))
            else {
                continue;
            };
            let exactness = self
                .media_types()
                .iter()
                .filter_map(|(own_kind, own_subtype)| {
                    match (kind.eq_ignore_ascii_case(own_kind), kind, subtype) {
                        (_, "*", "*") => Some(0),
                        (true, _, "*") => Some(1),
                        (true, _, _) if subtype.eq_ignore_ascii_case(own_subtype) => Some(2),
                        _ => None,
                    }
                })
                .max();
            let Some(exactness) = exactness else { continue };
            let quality = pieces
                .find_map(|piece| piece.strip_prefix("q=").or_else(|| piece.strip_prefix("Q=")))
                .map_or(1_000, thousandths);
            // The most exact range speaks for the form, whatever a wildcard says.
            if best.is_none_or(|(known, exact)| (exactness, quality) > (exact, known)) {
                best = Some((quality, exactness));
            }
        }
        best.filter(|(quality, _)| *quality > 0)
    }
}

/// The first of the best of these forms; the first of all when none is acceptable, since an answer in
/// the wrong form helps more than none.
fn best(accept: &[&str], forms: &[Format]) -> Format {
    let mut chosen = forms[0];
    let mut score = chosen.quality(accept);
    for form in &forms[1..] {
        let other = form.quality(accept);
        if other > score {
            (chosen, score) = (*form, other);
        }
    }
    chosen
}

/// `0.25` as 250; anything unreadable as 0.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    match whole {
        "1" => 1_000,
        "0" => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// The name the caller reached us by: of the target in HTTP/2, of the header in HTTP/1.
pub(crate) fn host(parts: &Parts) -> Option<&str> {
    parts.uri.authority().map(Authority::as_str).or_else(|| parts.headers.get(HOST)?.to_str().ok())
}

fn starts_with(host: &str, prefix: &str) -> bool {
    host.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(uri: &str, host: &str, accept: &str) -> Format {
        let request = axum::http::Request::builder().uri(uri).header("host", host);
        let request = if accept.is_empty() { request } else { request.header("accept", accept) };
        Format::of_broken(&request.body(()).unwrap().into_parts().0)
    }

    const CHROMIUM: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[test]
    fn the_host_decides_before_the_accept_header() {
        assert_eq!(format("/", "www.radiodeck.test", "application/json"), Format::Html);
        assert_eq!(format("/", "API.radiodeck.test:8080", CHROMIUM), Format::Json);
        assert_eq!(format("/", "api.radiodeck.test", "*/*"), Format::Json);
        assert_eq!(format("/", "api.radiodeck.test", "application/xml"), Format::Xml);
    }

    #[test]
    fn any_other_host_decides_by_accept() {
        assert_eq!(format("/", "localhost:8080", CHROMIUM), Format::Html);
        assert_eq!(format("/", "localhost:8080", "*/*"), Format::Json);
        assert_eq!(format("/", "localhost:8080", ""), Format::Json);
        assert_eq!(format("/", "localhost:8080", "text/*"), Format::Html);
        assert_eq!(format("/", "localhost", "text/html;q=0.2, application/json"), Format::Json);
        assert_eq!(format("/", "localhost", "text/html;q=0, application/xml;q=0.1"), Format::Xml);
        assert_eq!(format("/", "localhost", "application/json;q=0, */*"), Format::Html);
        assert_eq!(format("/", "localhost", "image/png"), Format::Json);
    }

    #[test]
    fn the_format_parameter_decides_before_everything() {
        assert_eq!(format("/?format=xml", "www.radiodeck.test", CHROMIUM), Format::Xml);
        assert_eq!(format("/?format=yaml", "localhost", CHROMIUM), Format::Html);
    }
}

//! Where a page has its styles, scripts and pictures from.

use std::fmt::Write;
use std::sync::Arc;

use axum::http::HeaderValue;
use terrace_cdn_edge::failover::{AssetUrls, IMG_ONERROR, IMG_ONERROR_CSP};

use super::markup::{Markup, html};

/// Scripts, styles and pictures come from this site and nowhere else, and nothing inline runs: text
/// that slipped through the escaping would still be text.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The site itself, or an edge in front of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files(Option<Arc<Edge>>);

#[derive(Debug)]
struct Edge {
    urls: AssetUrls,
    policy: HeaderValue,
}

impl Files {
    /// Files that have these URLs; of the page's own host without them.
    pub(crate) fn at(urls: Option<AssetUrls>) -> Self {
        let edge = urls.and_then(|urls| {
            let policy = HeaderValue::try_from(policy(&urls)).ok()?;
            Some(Arc::new(Edge { urls, policy }))
        });
        Self(edge)
    }

    /// The address of a file.
    pub(super) fn url(&self, address: &str) -> String {
        self.0.as_ref().map_or_else(|| address.to_owned(), |edge| edge.urls.url(address))
    }

    /// What an `<img>` has besides: where its picture is if the edge does not answer.
    ///
    /// As `AssetUrls::img_fallback_attr`, but by this module's own escaping, so that no value has
    /// a way around it.
    pub(super) fn second_chance(&self, address: &str) -> Option<Markup> {
        let edge = self.0.as_ref()?;
        let mut markup = html!(
            " data-fallback=\"" (edge.urls.origin_url(address)) "\" onerror=\""
        );
        markup.literal(IMG_ONERROR);
        markup.literal("\"");
        Some(markup)
    }

    /// The content security policy of a page.
    pub(super) fn policy(&self) -> HeaderValue {
        match &self.0 {
            Some(edge) => edge.policy.clone(),
            None => HeaderValue::from_static(POLICY),
        }
    }
}

/// With an edge, files come from two hosts, and one line of script may stand in the page: the one
/// that gives a picture its second chance, known by its hash.
fn policy(urls: &AssetUrls) -> String {
    let (edge, origin) = (urls.cdn().url().to_string(), urls.origin_url(""));
    let hosts = format!("{edge} {}", origin.trim_end_matches('/'));
    let mut policy = String::new();
    for directive in POLICY.split("; ") {
        let more = match directive.split(' ').next() {
            Some("style-src" | "img-src") => format!(" {hosts}"),
            Some("script-src") => format!(" {hosts} {IMG_ONERROR_CSP}"),
            _ => String::new(),
        };
        let separator = if policy.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = write!(policy, "{separator}{directive}{more}");
    }
    policy
}

#[cfg(test)]
mod tests {
    use terrace_cdn_edge::failover::{CdnHost, Outcome};

    use super::*;

    fn files() -> (Files, AssetUrls) {
        let cdn = CdnHost::new("http://cdn.test:81").unwrap().thresholds(1, 1).unwrap();
        let urls = AssetUrls::new(cdn, "http://www.test").unwrap();
        (Files::at(Some(urls.clone())), urls)
    }

    #[test]
    fn a_file_is_at_the_edge_until_the_edge_is_away() {
        let (files, urls) = files();
        assert_eq!(files.url("/a.css?v=1"), "http://cdn.test:81/a.css?v=1");
        urls.observe(tokio::time::Instant::now(), Outcome::Bad);
        assert_eq!(files.url("/a.css?v=1"), "http://www.test/a.css?v=1");
        assert_eq!(Files::default().url("/a.css?v=1"), "/a.css?v=1");
    }

    #[test]
    fn the_second_chance_of_a_picture_is_what_the_crate_says() {
        let (files, urls) = files();
        for address in ["/covers/7.svg?v=1", "/covers/7.svg?a=1&v=\"2'<"] {
            let own = files.second_chance(address).unwrap().into_string();
            assert_eq!(own.trim_start(), urls.img_fallback_attr(address));
        }
        assert!(Files::default().second_chance("/covers/7.svg").is_none());
    }

    #[test]
    fn only_the_two_hosts_and_the_one_script_are_let_in() {
        let policy = files().0.policy();
        let policy = policy.to_str().unwrap();
        let hosts = "http://cdn.test:81 http://www.test";
        for directive in [
            "default-src 'none'".to_owned(),
            format!("style-src 'self' {hosts}"),
            format!("script-src 'self' {hosts} {IMG_ONERROR_CSP}"),
            format!("img-src 'self' {hosts}"),
            "connect-src 'self'".to_owned(),
        ] {
            assert!(policy.split("; ").any(|other| other == directive), "{directive}: {policy}");
        }
        assert!(!policy.contains("unsafe-inline"), "{policy}");
        assert_eq!(Files::default().policy(), POLICY);
    }
}

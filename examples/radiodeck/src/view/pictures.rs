//! Where a page has its pictures from.
//!
//! They are most of what it weighs, and the browser gives each a second chance. Styles and scripts
//! have none, and come from where the page comes from.

use std::sync::Arc;

use axum::http::HeaderValue;
use terrace_cdn_edge::failover::{AssetUrls, IMG_ONERROR, IMG_ONERROR_CSP};

use super::markup::{Markup, html};

/// Scripts, styles and pictures come from this host and nowhere else, and nothing inline runs: text
/// that slipped through the escaping would still be text.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The site itself, or an edge in front of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pictures(Option<Arc<Edge>>);

#[derive(Debug)]
struct Edge {
    urls: AssetUrls,
    policy: HeaderValue,
}

impl Pictures {
    /// Pictures that have these URLs; of the page's own host without them.
    pub(crate) fn at(urls: Option<AssetUrls>) -> Self {
        let edge = urls.and_then(|urls| {
            let policy = HeaderValue::try_from(policy(&urls)).ok()?;
            Some(Arc::new(Edge { urls, policy }))
        });
        Self(edge)
    }

    /// The address of a picture.
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

/// With an edge, pictures come from two hosts more, and one line of script may stand in the page: the
/// one that gives a picture its second chance, known by its hash.
fn policy(urls: &AssetUrls) -> String {
    let (edge, origin) = (urls.cdn().url().to_string(), urls.origin_url(""));
    let pictures = format!("img-src 'self' {edge} {}", origin.trim_end_matches('/'));
    let scripts = format!("script-src 'self' {IMG_ONERROR_CSP}");
    POLICY.replace("img-src 'self'", &pictures).replace("script-src 'self'", &scripts)
}

#[cfg(test)]
mod tests {
    use terrace_cdn_edge::failover::{CdnHost, Outcome};

    use super::*;

    fn pictures() -> (Pictures, AssetUrls) {
        let cdn = CdnHost::new("http://cdn.test:81").unwrap().thresholds(1, 1).unwrap();
        let urls = AssetUrls::new(cdn, "http://www.test").unwrap();
        (Pictures::at(Some(urls.clone())), urls)
    }

    #[test]
    fn a_picture_is_at_the_edge_until_the_edge_is_away() {
        let (pictures, urls) = pictures();
        assert_eq!(pictures.url("/a.svg?v=1"), "http://cdn.test:81/a.svg?v=1");
        urls.observe(tokio::time::Instant::now(), Outcome::Bad);
        assert_eq!(pictures.url("/a.svg?v=1"), "http://www.test/a.svg?v=1");
        assert_eq!(Pictures::default().url("/a.svg?v=1"), "/a.svg?v=1");
    }

    #[test]
    fn the_second_chance_of_a_picture_is_what_the_crate_says() {
        let (pictures, urls) = pictures();
        for address in ["/covers/7.svg?v=1", "/covers/7.svg?a=1&v=\"2'<"] {
            let own = pictures.second_chance(address).unwrap().into_string();
            assert_eq!(own.trim_start(), urls.img_fallback_attr(address));
        }
        assert!(Pictures::default().second_chance("/covers/7.svg").is_none());
    }

    #[test]
    fn only_pictures_of_the_two_hosts_and_the_one_script_are_let_in() {
        let (with, without) = (pictures().0.policy(), Pictures::default().policy());
        assert_eq!(without, POLICY);
        let more = [" http://cdn.test:81 http://www.test", " ", IMG_ONERROR_CSP];
        let with = with.to_str().unwrap();
        assert!(with.contains(&format!("img-src 'self'{};", more[0])), "{with}");
        assert!(with.contains(&format!("script-src 'self' {IMG_ONERROR_CSP};")), "{with}");
        let rest = with.replacen(more[0], "", 1).replacen(&more[1..].concat(), "", 1);
        assert_eq!(rest, POLICY, "and nothing else");
    }
}

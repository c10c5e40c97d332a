use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::escape::{push_attribute, push_path};
use super::{CdnHost, Outcome, UrlError};
use crate::origin::OriginUrl;

/// What an image does that has not loaded: it takes its fallback, once.
///
/// [`AssetUrls::img_fallback_attr`] puts it into the page, always as it is, so that a content security
/// policy can allow it and nothing else: see [`IMG_ONERROR_CSP`].
pub const IMG_ONERROR: &str =
    "this.onerror=null;this.removeAttribute('srcset');this.src=this.dataset.fallback";

/// What a page with a content security policy adds to its `script-src`, so that browsers run
/// [`IMG_ONERROR`] and no other inline script.
pub const IMG_ONERROR_CSP: &str =
    "'unsafe-hashes' 'sha256-yEDw1/UPOpqoY+hu+07HLoewFjmsv4Rh0dpnnc6iN7E='";

/// Makes URLs of assets: the CDN's while it is up, else the origin's.
///
/// # Clone
///
/// Clones share what is known of the CDN: one is for [`probe`](super::probe), the others for whoever
/// renders pages.
#[derive(Clone)]
pub struct AssetUrls(pub(super) Arc<Shared>);

pub(super) struct Shared {
    cdn: String,
    origin: String,
    // Guards one call of `observe`.
    host: Mutex<CdnHost>,
    /// What the host says, for those who render pages and take no lock.
    up: AtomicBool,
}

impl AssetUrls {
    /// Assets that the CDN has from this origin, `https://host[:port][/base]`.
    ///
    /// # Errors
    ///
    /// [`UrlError`], which says what is wrong with the origin's URL.
    pub fn new(cdn: CdnHost, origin: &str) -> Result<Self, UrlError> {
        Ok(Self::of(cdn, OriginUrl::parse(origin)?.to_string()))
    }

    /// Assets whose origin is the host that the page comes from.
    #[must_use]
    pub fn same_host(cdn: CdnHost) -> Self {
        Self::of(cdn, String::new())
    }

    fn of(cdn: CdnHost, origin: String) -> Self {
        Self(Arc::new(Shared {
            cdn: cdn.url().to_string(),
            origin,
            up: AtomicBool::new(cdn.is_up()),
            host: Mutex::new(cdn),
        }))
    }

    /// The URL of an asset: of its path, with its query and fragment.
    ///
    /// The path stays on its host, whatever is in it, and the URL has nothing in it that would end a
    /// quoted attribute; `&` is HTML's business, as in every URL.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        below(if self.is_up() { &self.0.cdn } else { &self.0.origin }, path)
    }

    /// The asset's URL at the origin, whatever the CDN does.
    #[must_use]
    pub fn origin_url(&self, path: &str) -> String {
        below(&self.0.origin, path)
    }

    /// Attributes for an `<img>`, escaped: if its `src` does not load, it takes this asset from the
    /// origin.
    ///
    /// ```
    /// # use terrace_cdn_edge::failover::{AssetUrls, CdnHost};
    /// # let urls = AssetUrls::same_host(CdnHost::new("https://cdn.example.com")?);
    /// let (src, fallback) = (urls.url("/a.png"), urls.img_fallback_attr("/a.png"));
    /// let html = format!(r#"<img src="{src}" alt="" {fallback}>"#);
    /// # assert!(html.contains(r#"data-fallback="/a.png" onerror="this.onerror=null;"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// For images outside of `<picture>`: there, the browser chooses among sources that this
    /// cannot take away. Styles and scripts have no such second chance; only [`url`](Self::url) helps.
    #[must_use]
    pub fn img_fallback_attr(&self, path: &str) -> String {
        let mut html = String::from("data-fallback=\"");
        push_attribute(&mut html, &self.origin_url(path));
        html.push_str("\" onerror=\"");
        // It has no character that would have to be escaped between double quotes: a test says so.
        html.push_str(IMG_ONERROR);
        html.push('"');
        html
    }

    /// Whether URLs are the CDN's.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.up.load(Ordering::Relaxed)
    }

    /// What is known of the CDN.
    #[must_use]
    pub fn cdn(&self) -> CdnHost {
        self.0.host.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes an outcome in; says whether the CDN is up now if that has changed. For applications
    /// that learn of it otherwise than by [`probe`](super::probe).
    #[allow(clippy::must_use_candidate)]
    pub fn observe(&self, now: Instant, outcome: Outcome) -> Option<bool> {
        self.0.observe(now, outcome)
    }
}

impl Shared {
    pub(super) fn observe(&self, now: Instant, outcome: Outcome) -> Option<bool> {
        let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = host.observe(now, outcome)?;
        // Under the lock, so that two changes are seen in their order.
        self.up.store(changed, Ordering::Relaxed);
        Some(changed)
    }

    /// The URL that a probe asks for.
    pub(super) fn cdn_url(&self, path: &str) -> String {
        below(&self.cdn, path)
    }
}

fn below(base: &str, path: &str) -> String {
    let mut url = String::with_capacity(base.len() + path.len() + 1);
    url.push_str(base);
    push_path(&mut url, path);
    url
}

impl fmt::Debug for AssetUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { cdn, origin, .. } = &*self.0;
        let (cdn, origin, up) = (cdn, origin, self.is_up());
        f.debug_struct("AssetUrls")
            .field("cdn", cdn)
            .field("origin", origin)
            .field("up", &up)
            .finish()
    }
}

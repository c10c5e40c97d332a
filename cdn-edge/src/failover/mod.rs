//! For applications *behind* a CDN: when its host fails, pages point to the origin.
//!
//! A page whose styles, scripts and images come from `cdn.example.com` is broken when that host is,
//! though the application itself is well. So the application watches the CDN as its visitors see
//! it, and makes its asset URLs accordingly:
//!
//! - [`AssetUrls::url`] gives the CDN's URL of an asset, or the origin's while the CDN is down.
//! - [`probe`] asks the CDN for one small asset now and then. It needs `rise` good answers in a row
//!   to come back and `fall` bad ones to go: one lost packet must not move all traffic to the
//!   application, and a host that flaps must not move it to and fro.
//! - [`AssetUrls::img_fallback_attr`] is for pages that are already out: an image that does not load
//!   from the CDN is loaded from the origin, by the browser itself.
//!
//! The probes see the CDN from where the application runs. A visitor whose own way to it is broken is
//! helped by the attribute only; and a CDN that serves wrong bytes is no failure that any of this
//! sees.
//!
//! # Examples
//!
//! As it comes; the assets' origin is the page's own host:
//!
//! ```
//! use terrace_cdn_edge::failover::{AssetUrls, CdnHost};
//!
//! let urls = AssetUrls::same_host(CdnHost::new("https://cdn.example.com")?);
//! assert_eq!(urls.url("/static/app.css?v=3"), "https://cdn.example.com/static/app.css?v=3");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Adjusted, with an origin of its own, and through an outage:
//!
//! ```
//! use terrace_cdn_edge::failover::{AssetUrls, CdnHost, Outcome};
//! use tokio::time::Instant;
//!
//! let cdn = CdnHost::new("https://cdn.example.com")?.thresholds(3, 2)?;
//! let urls = AssetUrls::new(cdn, "https://www.example.com")?;
//! let now = Instant::now();
//! urls.observe(now, Outcome::Bad);
//! assert_eq!(urls.url("/a.png"), "https://cdn.example.com/a.png");
//! urls.observe(now, Outcome::Bad);
//! assert_eq!(urls.url("/a.png"), "https://www.example.com/a.png");
//! assert!(!urls.is_up());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod escape;
mod host;
mod probe;
#[cfg(test)]
mod tests;
mod urls;

pub use crate::origin::{Invalid, OriginUrlError as UrlError};
pub use host::{CdnHost, Outcome};
pub use probe::{ProbeSettings, probe};
pub use urls::{AssetUrls, IMG_ONERROR, IMG_ONERROR_CSP};

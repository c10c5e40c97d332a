//! The files of the site, inside the executable: no folder has to lie beside it.
//!
//! Each file's address carries a version that follows from its content, so it may be cached for
//! ever, and a new release is a new address.

use std::fmt::Write;
use std::sync::LazyLock;

pub(crate) struct Asset {
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) content: &'static str,
}

pub(crate) const STYLE: &str = "site.css";
pub(crate) const SCRIPT: &str = "site.js";
pub(crate) const ICON: &str = "icon.svg";

static ASSETS: [Asset; 3] = [
    Asset {
        name: STYLE,
        content_type: "text/css; charset=utf-8",
        content: include_str!("../assets/site.css"),
    },
    Asset {
        name: SCRIPT,
        content_type: "text/javascript; charset=utf-8",
        content: include_str!("../assets/site.js"),
    },
    Asset {
        name: ICON,
        content_type: "image/svg+xml",
        content: include_str!("../assets/icon.svg"),
    },
];

static VERSIONS: LazyLock<Vec<String>> =
    LazyLock::new(|| ASSETS.iter().map(|asset| version(asset.content)).collect());

/// The asset of this name and its version.
pub(crate) fn find(name: &str) -> Option<(&'static Asset, &'static str)> {
    ASSETS
        .iter()
        .zip(VERSIONS.iter())
        .find(|(asset, _)| asset.name == name)
        .map(|(asset, version)| (asset, version.as_str()))
}

/// The address of an asset, with its version.
pub(crate) fn address(name: &str) -> String {
    let version = find(name).map_or("", |(_, version)| version);
    format!("/assets/{name}?v={version}")
}

/// Twelve digits that change when the text changes.
pub(crate) fn version(text: &str) -> String {
    let sum = crate::seed::sum(text);
    let mut out = String::with_capacity(12);
    let _ = write!(out, "{:012x}", sum & 0xffff_ffff_ffff);
    out
}

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderValue, header};

/// What a session is used with, for a list that its user reads. Coarse on purpose: it is no fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// What its user or the application calls it. At most 128 bytes are kept.
    pub label: Option<String>,
    /// The kind of program, such as `Firefox on Linux`.
    pub agent: Option<String>,
    /// The network it came from, such as `192.0.2.0/24`.
    pub network: Option<String>,
}

/// Bytes of a label that are kept.
const LABEL: usize = 128;

impl Device {
    /// What the headers of a request tell: the family of the browser, and of the system. Nothing else of `User-Agent` is kept.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes);
        Self { agent: agent.and_then(family), ..Self::default() }
    }

    /// The network of an address: its first 24 bits, or the first 48 of IPv6. It says roughly where, and not who.
    #[must_use]
    pub fn network(self, address: IpAddr) -> Self {
        Self { network: Some(network(address)), ..self }
    }

    /// What its user or the application calls it.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// As it is kept.
    pub(crate) fn kept(mut self) -> Self {
        if let Some(label) = &mut self.label {
            label.truncate(label.floor_char_boundary(LABEL));
        }
        self
    }
}

/// The first that fits: most browsers name others as well, which they want to be taken for.
const BROWSERS: &[(&[u8], &str)] = &[
    (b"Edg", "Edge"),
    (b"OPR/", "Opera"),
    (b"SamsungBrowser/", "Samsung Internet"),
    (b"Firefox/", "Firefox"),
    (b"FxiOS/", "Firefox"),
    (b"CriOS/", "Chrome"),
    (b"Chrome/", "Chrome"),
    (b"Safari/", "Safari"),
    (b"curl/", "curl"),
];

const SYSTEMS: &[(&[u8], &str)] = &[
    (b"Android", "Android"),
    (b"iPhone", "iPhone"),
    (b"iPad", "iPad"),
    (b"Windows", "Windows"),
    (b"Mac OS X", "macOS"),
    (b"CrOS", "ChromeOS"),
    (b"Linux", "Linux"),
];

fn family(agent: &[u8]) -> Option<String> {
    let first = |of: &[(&[u8], &'static str)]| {
        let named = |word: &[u8]| agent.windows(word.len()).any(|part| part == word);
        of.iter().find(|(word, _)| named(word)).map(|(_, name)| *name)
    };
    match (first(BROWSERS), first(SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(name), None) | (None, Some(name)) => Some(name.to_owned()),
        (None, None) => None,
    }
}

fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agent(text: &'static str) -> Option<String> {
        let headers = [(header::USER_AGENT, HeaderValue::from_static(text))].into_iter().collect();
        Device::from_headers(&headers).agent
    }

    #[test]
    fn a_browser_is_known_by_its_family() {
        let of = |text, name: &str| assert_eq!(agent(text).as_deref(), Some(name));
        of(
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        );
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        of(chrome, "Chrome on Windows");
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0";
        of(edge, "Edge on Windows");
        let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        of(safari, "Safari on iPhone");
        of("curl/8.5.0", "curl");
        assert_eq!(agent("something of our own"), None);
    }

    #[test]
    fn an_address_is_kept_as_its_network() {
        let of = |text: &str| Device::default().network(text.parse().unwrap()).network.unwrap();
        assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
    }

    proptest! {
        #[test]
        fn any_agent_has_at_most_a_short_name(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(family(&bytes).is_none_or(|name| name.len() < 40));
        }

        #[test]
        fn any_label_is_kept_in_part(label in ".{0,200}") {
            let kept = Device::default().label(label.clone()).kept().label.unwrap();
            prop_assert!(kept.len() <= 128 && label.starts_with(&kept));
        }
    }
}

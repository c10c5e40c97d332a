//! `Set-Cookie`: what is refused, and how the rest is written.
//!
//! By hand, since all but the token and one number is known when the layer is built.

use std::io::Write;

use http::HeaderValue;

use super::profile::HOST;
use super::{Cookie, InvalidCookie, Kept};
use crate::expiry::Remaining;
use crate::token::{TEXT, Token};

/// Bytes of name and value together, behind which browsers ignore a cookie (RFC 6265bis, section 5.6).
const LONGEST: usize = 4096;
/// Bytes of an attribute's value, behind which browsers ignore the attribute.
const LONGEST_ATTRIBUTE: usize = 1024;
/// Browsers keep no cookie longer than 400 days, and not all of them can read larger numbers.
const LONGEST_AGE: u64 = 400 * 24 * 60 * 60;

const MAX_AGE: &[u8] = b"; Max-Age=";
/// `Expires` for what does not know `Max-Age`.
const OVER: &str = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";

/// A cookie that browsers take, with all that is known of it written already.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    name: Box<str>,
    /// Path, domain, and those of the profile.
    attributes: Box<str>,
    kept: Kept,
    removal: HeaderValue,
}

impl Cookie {
    /// Whether browsers will do what was asked for.
    pub(crate) fn check(&self) -> Result<Checked, InvalidCookie> {
        let Self { profile, name, path, domain, host_prefix, kept } = self;
        check_name(name)?;
        check_path(path)?;
        domain.as_deref().map_or(Ok(()), check_domain)?;

        let prefix = profile.prefix(*host_prefix);
        match domain {
            Some(domain) if prefix == HOST => {
                return Err(InvalidCookie::HostDomain { domain: domain.to_string() });
            }
            None if prefix == HOST && path != "/" => {
                return Err(InvalidCookie::HostPath { path: path.to_string() });
            }
            _ => {}
        }
        let name = [prefix, name].concat();
        let bytes = name.len() + TEXT;
        if bytes > LONGEST {
            return Err(InvalidCookie::TooLong { bytes });
        }
        let domain = domain.as_ref().map_or_else(String::new, |of| format!("; Domain={of}"));
        let attributes = ["; Path=", path, &domain, profile.attributes()].concat();
        let removal = HeaderValue::try_from(format!("{name}={OVER}{attributes}"))
            .map_err(|_| InvalidCookie::Name { name: name.clone() })?;
        Ok(Checked { name: name.into(), attributes: attributes.into(), kept: *kept, removal })
    }
}

/// [`Cookie::lax`], of which there is nothing to check.
impl Default for Checked {
    fn default() -> Self {
        Self {
            name: "__Host-id".into(),
            attributes: "; Path=/; SameSite=Lax; Secure; HttpOnly".into(),
            kept: Kept::WhileUsed,
            removal: HeaderValue::from_static(
                "__Host-id=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; SameSite=Lax; Secure; HttpOnly",
            ),
        }
    }
}

impl Checked {
    /// Whether it is sent again when a session may live longer than its browser was told.
    pub(crate) fn is_sent_again(&self) -> bool {
        self.kept == Kept::WhileUsed
    }

    /// With its prefix, as browsers send it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `Set-Cookie` for a session that has so long to live. Marked as sensitive: `Debug` does not show it, and HTTP/2 keeps it
    /// out of its tables.
    pub(crate) fn set(&self, token: &Token, lives: Remaining) -> HeaderValue {
        let age = match self.kept {
            Kept::WhileUsed => Some(lives.unused),
            Kept::ToTheEnd => Some(lives.at_most),
            Kept::UntilClosed => None,
        };
        // Not 0, which would remove it.
        let age = age.map(|age| age.as_secs().clamp(1, LONGEST_AGE));
        let digits = |age: u64| age.checked_ilog10().map_or(1, |log| log as usize + 1);
        let aged = age.map_or(0, |age| MAX_AGE.len() + digits(age));

        // To the byte: what has no room to spare becomes a header as it is.
        let mut line =
            Vec::with_capacity(self.name.len() + 1 + TEXT + aged + self.attributes.len());
        line.extend_from_slice(self.name.as_bytes());
        line.push(b'=');
        line.extend_from_slice(&token.letters());
        if let Some(age) = age {
            line.extend_from_slice(MAX_AGE);
            // A vector takes everything.
            let _ = write!(line, "{age}");
        }
        line.extend_from_slice(self.attributes.as_bytes());
        // The parts were checked, and browsers ignore an empty one.
        let mut value =
            HeaderValue::try_from(line).unwrap_or(const { HeaderValue::from_static("") });
        value.set_sensitive(true);
        value
    }

    /// `Set-Cookie` that removes it: a browser looks for a cookie of the same name, path, domain and partition.
    pub(crate) fn removal(&self) -> HeaderValue {
        self.removal.clone()
    }
}

fn check_name(name: &str) -> Result<(), InvalidCookie> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(letter) {
        return Err(InvalidCookie::Name { name: name.to_owned() });
    }
    // Browsers do not look at the case of a prefix.
    let lower = name.to_ascii_lowercase();
    if ["__host-", "__secure-", "__http-"].iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(InvalidCookie::Prefixed { name: name.to_owned() });
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), InvalidCookie> {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
    if path.starts_with('/') && plain && path.len() <= LONGEST_ATTRIBUTE {
        return Ok(());
    }
    Err(InvalidCookie::Path { path: path.to_owned() })
}

fn check_domain(domain: &str) -> Result<(), InvalidCookie> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(letter);
    if domain.len() <= 253 && domain.split('.').all(label) {
        return Ok(());
    }
    Err(InvalidCookie::Domain { domain: domain.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_the_default_profile_comes_to() {
        let checked = Cookie::default().check().unwrap();
        assert_eq!(format!("{checked:?}"), format!("{:?}", Checked::default()));
    }
}

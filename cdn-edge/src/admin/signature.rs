//! What is signed, and how the signature is written.

use std::fmt::Write as _;

use hmac::{Hmac, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest as _, Sha256};

use super::key::{Key, is_id};
use super::refusal::Refusal;
use super::rule::{self, Rule};

/// The field that carries the signature.
pub const SIGNATURE: HeaderName = HeaderName::from_static("terrace-signature");

/// What a request claims, before anything is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) key: String,
    pub(super) at: u64,
    pub(super) nonce: u128,
    mac: [u8; 32],
}

/// Signs a request: what [`SIGNATURE`] must hold.
///
/// `path` is the path and query of the request line, as the service will see them: behind a router
/// that strips a prefix, without that prefix. `now` is in seconds since 1970. The nonce is random,
/// and another one for every request.
#[must_use]
pub fn sign(
    key: &Key,
    method: &Method,
    path: &str,
    body: &[u8],
    now: u64,
    nonce: [u8; 16],
) -> HeaderValue {
    let nonce = u128::from_be_bytes(nonce);
    let mut mac = key.mac();
    feed(&mut mac, method, path, now, nonce, body);
    let mac = hex(&mac.finalize().into_bytes());
    let text = format!("v1;key={};t={now};nonce={nonce:032x};mac={mac}", key.id());
    let value = HeaderValue::try_from(text);
    // Only letters, digits and a few signs are in it, so it is always a value.
    value.unwrap_or_else(|_| HeaderValue::from_static("v1"))
}

impl Claim {
    /// Reads the one signature of a request.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(SIGNATURE).iter();
        match (values.next(), values.next()) {
            (None, _) => Err(Refusal::Unsigned),
            (Some(value), None) => Self::parse(value.as_bytes()).ok_or(Refusal::Malformed),
            (Some(_), Some(_)) => Err(Refusal::Malformed),
        }
    }

    /// One form and no other: there is nothing to gain from being lenient here.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let mut parts = text.split(';');
        let mut part = |name| parts.next()?.strip_prefix(name);
        part("v1").filter(|rest| rest.is_empty())?;
        let key = part("key=").filter(|id| is_id(id))?.to_owned();
        let at = number(part("t=")?)?;
        let nonce = u128::from_be_bytes(unhex(part("nonce=")?)?);
        let mac = unhex(part("mac=")?)?;
        parts.next().is_none().then_some(Self { key, at, nonce, mac })
    }

    /// Whether the MAC is that of this request. In a time that does not depend on where it differs.
    pub(super) fn proves(
        &self,
        mut mac: Hmac<Sha256>,
        method: &Method,
        path: &str,
        body: &[u8],
    ) -> bool {
        feed(&mut mac, method, path, self.at, self.nonce, body);
        mac.verify_slice(&self.mac).is_ok() || !rule::on(Rule::Mac)
    }
}

/// The string to sign. None of its lines can hold a line break but the last one, which is a hash,
/// so no two requests have the same.
fn feed(mac: &mut Hmac<Sha256>, method: &Method, path: &str, at: u64, nonce: u128, body: &[u8]) {
    let body = if rule::on(Rule::MacOfBody) { body } else { b"" };
    let body = hex(&Sha256::digest(body));
    mac.update(format!("v1\n{method}\n{path}\n{at}\n{nonce:032x}\n{body}").as_bytes());
}

/// Plain digits without a sign, a space or zeros in front, so that it is signed as it was written.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let short = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| plain && short)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Exactly so many bytes, in lower case: the nonce is signed as it was written.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

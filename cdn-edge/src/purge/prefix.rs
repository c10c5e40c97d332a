use std::borrow::Cow;

/// The beginning of an authority and path, in the one form in which they are compared.
///
/// It holds at least a whole authority, unless it is empty: then it holds everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(Box<[u8]>);

impl Prefix {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = lower_authority(text.as_bytes()).into_owned();
        if !bytes.is_empty() && !bytes.contains(&b'/') {
            // `example.org` must not purge, or allow to purge, `example.org.evil.test`.
            bytes.push(b'/');
        }
        Self(bytes.into_boxed_slice())
    }

    /// Whether a URL begins with it, whose authority is in lower case.
    pub(crate) fn holds(&self, url: &[u8]) -> bool {
        url.starts_with(&self.0)
    }

    /// Whether it holds all that the other one holds.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.holds(&other.0)
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

/// An authority and path with the authority in lower case, which is how it is compared: it comes
/// from a key on one side, and from whoever purges on the other.
pub(super) fn lower_authority(url: &[u8]) -> Cow<'_, [u8]> {
    let end = url.iter().position(|byte| *byte == b'/').unwrap_or(url.len());
    let (authority, _) = url.split_at(end);
    if !authority.iter().any(u8::is_ascii_uppercase) {
        return Cow::Borrowed(url);
    }
    let mut lower = url.to_vec();
    lower.iter_mut().take(end).for_each(u8::make_ascii_lowercase);
    Cow::Owned(lower)
}

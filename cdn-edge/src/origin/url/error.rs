use std::error::Error;
use std::fmt;

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UrlFault {
    /// There is none.
    Empty,
    /// It does not begin with `http://` or `https://`.
    NoScheme,
    /// It begins with another scheme.
    OtherScheme,
    /// It has no host.
    NoHost,
    /// Its port is no number, 0, or above 65535.
    Port,
    /// It has a user or a password in it, which would not be sent.
    UserInfo,
    /// It has a query or a fragment.
    Query,
    /// It has characters that no URL may have.
    Malformed,
    /// It wants TLS, and the feature `tls-rustls` is not on.
    NoTls,
    /// TLS cannot be set up: the crypto provider that is installed lacks what is needed.
    Tls,
}

/// Why a URL cannot be an origin's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginUrlError {
    url: String,
    fault: UrlFault,
}

impl OriginUrlError {
    pub(crate) fn new(url: &str, fault: UrlFault) -> Self {
        let shown = match fault {
            // A password does not belong into a log.
            UrlFault::UserInfo => {
                let host = url.rsplit_once('@').map_or("", |(_, host)| host);
                let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
                format!("{scheme}://…@{host}")
            }
            _ => url.to_owned(),
        };
        Self { url: shown.chars().take(200).collect(), fault }
    }

    /// What is wrong with it.
    #[must_use]
    pub fn fault(&self) -> UrlFault {
        self.fault
    }
}

impl fmt::Display for OriginUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            UrlFault::Empty => return f.write_str("the URL is empty"),
            UrlFault::NoScheme => "does not begin with http:// or https://",
            UrlFault::OtherScheme => "is neither http nor https",
            UrlFault::NoHost => "has no host",
            UrlFault::Port => "has a port that is not 1 to 65535",
            UrlFault::UserInfo => "has a user or password, which would not be sent",
            UrlFault::Query => "has a query or fragment",
            UrlFault::Malformed => "has characters that no URL may have",
            UrlFault::NoTls => "needs the feature tls-rustls",
            UrlFault::Tls => "needs TLS, which the installed crypto provider cannot do",
        };
        write!(f, "the URL {:?} {what}", self.url)
    }
}

impl Error for OriginUrlError {}

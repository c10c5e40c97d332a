use std::time::Duration;

use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::HostField;
use super::connect::Connector;
use super::service::Client;
use crate::origin::Invalid;
use crate::origin::url::{OriginUrl, OriginUrlError, UrlFault};

/// What a [`Client`] is made of.
#[derive(Clone, Debug)]
pub struct Builder {
    url: OriginUrl,
    host: HostField,
    connect_timeout: Duration,
    keep: usize,
    keep_for: Duration,
    #[cfg(feature = "tls-rustls")]
    tls: rustls::ClientConfig,
}

impl Builder {
    pub(super) fn new(url: &str) -> Result<Self, OriginUrlError> {
        let origin = OriginUrl::parse(url)?;
        #[cfg(not(feature = "tls-rustls"))]
        if origin.is_https() {
            return Err(OriginUrlError::new(url, UrlFault::NoTls));
        }
        #[cfg(feature = "tls-rustls")]
        let is_https = origin.is_https();
        Ok(Self {
            url: origin,
            host: HostField::default(),
            connect_timeout: Duration::from_secs(3),
            keep: 256,
            keep_for: Duration::from_secs(30),
            #[cfg(feature = "tls-rustls")]
            tls: tls(is_https).ok_or_else(|| OriginUrlError::new(url, UrlFault::Tls))?,
        })
    }

    /// Whose name is in the `Host` field. Default: the visitor's.
    #[must_use]
    pub fn host(self, host: HostField) -> Self {
        Self { host, ..self }
    }

    /// How long connecting may take: name, TCP and TLS.
    ///
    /// Default 3 s: a lost first packet is sent again after 1 s, and the next after 3 s. Who has not
    /// answered by then is not there.
    #[must_use]
    pub fn connect_timeout(self, limit: Duration) -> Self {
        Self { connect_timeout: limit, ..self }
    }

    /// How many idle connections are kept, and how long.
    ///
    /// Default 256 for 30 s: most servers keep theirs for a minute or longer, so that it is this side
    /// that closes first, and what a burst has opened beyond 256 is not held on to.
    #[must_use]
    pub fn keep(self, connections: usize, how_long: Duration) -> Self {
        Self { keep: connections, keep_for: how_long, ..self }
    }

    /// Which certificates are trusted, and what is shown to the origin.
    ///
    /// Default: the roots of the operating system, TLS 1.2 and 1.3. Its list of protocols is not used: this client
    /// speaks HTTP/1.1.
    #[cfg(feature = "tls-rustls")]
    #[must_use]
    pub fn tls(self, mut config: rustls::ClientConfig) -> Self {
        // The connector panics if there are any.
        config.alpn_protocols.clear();
        Self { tls: config, ..self }
    }

    /// The client. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if a time is not 1 ms to a day.
    pub fn build(self) -> Result<Client, Invalid> {
        Invalid::check_time("connect_timeout", self.connect_timeout)?;
        Invalid::check_time("keep", self.keep_for)?;
        Ok(self.assemble())
    }

    pub(super) fn assemble(self) -> Client {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        // The limit below is over all addresses of a name; this one shares itself out among them, so
        // that a dead first address leaves time for the second.
        http.set_connect_timeout(Some(self.connect_timeout));
        #[cfg(feature = "tls-rustls")]
        let http = {
            http.enforce_http(false);
            let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(self.tls);
            tls.https_or_http().enable_http1().wrap_connector(http)
        };
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.keep_for)
            .pool_max_idle_per_host(self.keep)
            .build(Connector::new(http, self.connect_timeout));
        Client::new(self.url, self.host, pool)
    }
}

/// The roots of the operating system, by the provider that the application has installed, or ring. An `http` origin
/// needs none, and works on a machine that has none.
#[cfg(feature = "tls-rustls")]
fn tls(needs_roots: bool) -> Option<rustls::ClientConfig> {
    use hyper_rustls::ConfigBuilderExt;
    use rustls::crypto::{CryptoProvider, ring};

    let installed = CryptoProvider::get_default().cloned();
    let provider = installed.unwrap_or_else(|| ring::default_provider().into());
    let config = rustls::ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().ok()?;
    let config = if needs_roots {
        config.with_native_roots().ok()?
    } else {
        config.with_root_certificates(rustls::RootCertStore::empty())
    };
    Some(config.with_no_client_auth())
}

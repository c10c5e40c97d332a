#![expect(clippy::disallowed_types, reason = "the one place where tokens get the wall time")]

use std::sync::Arc;
use std::time::SystemTime;

use tower_layer::Layer;

use super::Carrier;
use super::service::CausalService;
use super::telemetry::Telemetry;
use crate::token::TokenKey;

/// Gives each HTTP request a [`CausalContext`](crate::CausalContext), and each client a token.
///
/// The [module](crate::layer) has examples, and says what goes in and out.
///
/// # Clone
///
/// Clones share the key.
#[derive(Clone, Debug)]
pub struct CausalLayer {
    shared: Arc<Shared>,
}

/// What outlives a request.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) key: TokenKey,
    pub(super) carrier: Carrier,
    pub(super) clock: fn() -> SystemTime,
    pub(super) telemetry: Telemetry,
}

impl CausalLayer {
    /// Tokens travel in the header `terrace-token`, both ways: for clients that are programs, and
    /// send back what they got last.
    #[must_use]
    pub fn header(key: TokenKey) -> Self {
        Self::new(key, Carrier::Header)
    }

    /// Tokens travel in the cookie `terrace-token`: for browsers.
    ///
    /// It is for this host and all its paths, not for scripts (`HttpOnly`), not sent along with
    /// other sites' forms (`SameSite=Lax`), only sent over TLS (`Secure`; see
    /// [`insecure`](Self::insecure)), and forgotten after the key's [`max_age`](TokenKey::max_age).
    #[must_use]
    pub fn cookie(key: TokenKey) -> Self {
        Self::new(key, Carrier::Cookie { secure: true })
    }

    fn new(key: TokenKey, carrier: Carrier) -> Self {
        let telemetry = Telemetry::default();
        Self { shared: Arc::new(Shared { key, carrier, clock: SystemTime::now, telemetry }) }
    }

    /// Lets browsers send the cookie without TLS: for development on a host that is not
    /// `localhost`, which most browsers trust anyway. A header is not affected.
    #[must_use]
    pub fn insecure(self) -> Self {
        self.with(|shared| {
            if let Carrier::Cookie { secure } = &mut shared.carrier {
                *secure = false;
            }
        })
    }

    /// Takes the wall time from here, in place of the system's clock: for tests.
    #[must_use]
    pub fn clock(self, clock: fn() -> SystemTime) -> Self {
        self.with(|shared| shared.clock = clock)
    }

    fn with(self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Arc::unwrap_or_clone(self.shared);
        change(&mut shared);
        Self { shared: Arc::new(shared) }
    }
}

impl<S> Layer<S> for CausalLayer {
    type Service = CausalService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CausalService::new(inner, Arc::clone(&self.shared))
    }
}

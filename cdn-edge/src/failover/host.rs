use tokio::time::Instant;

use super::{Invalid, UrlError};
use crate::origin::OriginUrl;

/// A CDN's host, and whether it serves: pure, fed by [`observe`](Self::observe).
///
/// It is up until it has failed: a process that starts while the CDN is well must not wait for its
/// first probe.
#[derive(Clone, Debug)]
pub struct CdnHost {
    url: OriginUrl,
    rise: u32,
    fall: u32,
    up: bool,
    /// Outcomes in a row that speak against what it is now.
    against: u32,
    since: Option<Instant>,
}

/// What came of asking a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It served.
    Good,
    /// It did not.
    Bad,
}

impl CdnHost {
    /// The host at `https://host[:port][/base]`, or `http`.
    ///
    /// It is taken for down after 3 bad outcomes in a row, and for up after 2 good ones: one lost
    /// packet is no outage, and one answer no recovery.
    ///
    /// # Errors
    ///
    /// [`UrlError`], which says what is wrong with the URL.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let url = OriginUrl::parse(url)?;
        Ok(Self { url, rise: 2, fall: 3, up: true, against: 0, since: None })
    }

    /// How many good outcomes in a row bring it back, and how many bad ones take it out.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if one is 0.
    pub fn thresholds(self, rise: u32, fall: u32) -> Result<Self, Invalid> {
        Invalid::check_count("rise", rise as usize)?;
        Invalid::check_count("fall", fall as usize)?;
        Ok(Self { rise, fall, ..self })
    }

    /// Takes an outcome in; says whether it is up now if that has changed.
    pub fn observe(&mut self, now: Instant, outcome: Outcome) -> Option<bool> {
        let needed = match (self.up, outcome) {
            (true, Outcome::Good) | (false, Outcome::Bad) => {
                self.against = 0;
                return None;
            }
            (true, Outcome::Bad) => self.fall,
            (false, Outcome::Good) => self.rise,
        };
        self.against = self.against.saturating_add(1);
        if self.against < needed {
            return None;
        }
        self.up = !self.up;
        self.against = 0;
        self.since = Some(now);
        Some(self.up)
    }

    /// Whether assets are to be had from it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Since when; `None` if it has never changed.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &OriginUrl {
        &self.url
    }
}

use std::fmt;

use http::StatusCode;

use super::Invalid;

/// Which 5xx statuses mean that the origin has failed, rather than this one page.
///
/// The default is 502, 503 and 504: what a proxy says whose servers are gone, and what a server says
/// that is overloaded. A 500 is left out: as a rule it is a fault of one page, and an origin with one
/// broken page is not down.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ServerErrors(u128);

impl ServerErrors {
    /// These statuses.
    ///
    /// # Errors
    ///
    /// [`Invalid`] if one is not 500 to 599: an answer about the request says nothing of the origin.
    pub fn new(statuses: impl IntoIterator<Item = u16>) -> Result<Self, Invalid> {
        let mut bits = 0;
        for status in statuses {
            match status {
                500..=599 => bits |= 1 << (status - 500),
                _ => return Err(Invalid::new("server errors", "be 500 to 599", status)),
            }
        }
        Ok(Self(bits))
    }

    /// No status at all: whoever answers is well.
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// Whether this status is one of them.
    #[must_use]
    pub fn contains(self, status: StatusCode) -> bool {
        matches!(status.as_u16(), code @ 500..=599 if self.0 >> (code - 500) & 1 == 1)
    }
}

impl Default for ServerErrors {
    fn default() -> Self {
        Self(1 << 2 | 1 << 3 | 1 << 4)
    }
}

impl fmt::Debug for ServerErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes = (0..100_u16).filter(|bit| self.0 >> bit & 1 == 1).map(|bit| bit + 500);
        f.debug_set().entries(codes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_given_and_nothing_else() {
        let set = ServerErrors::new([500, 599, 503]).unwrap();
        let held: Vec<u16> =
            (100..1000).filter(|code| set.contains(StatusCode::from_u16(*code).unwrap())).collect();
        assert_eq!(held, [500, 503, 599]);
        assert_eq!(format!("{set:?}"), "{500, 503, 599}");
    }

    #[test]
    fn the_default_is_what_proxies_and_overloaded_servers_say() {
        assert_eq!(ServerErrors::default(), ServerErrors::new([502, 503, 504]).unwrap());
        assert!(!ServerErrors::none().contains(StatusCode::BAD_GATEWAY));
    }

    #[test]
    fn an_answer_about_the_request_is_refused_by_name() {
        let error = ServerErrors::new([503, 404]).unwrap_err();
        assert_eq!(error.to_string(), "server errors must be 500 to 599, not 404");
    }
}

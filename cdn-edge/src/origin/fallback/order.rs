//! Who is asked, and whose answer counts. Pure.

use http::{Method, StatusCode};

use crate::origin::rule::{Rule, on};
use crate::origin::{OriginError, ServerErrors};

/// How many of these origins may be asked for a request.
pub(super) fn tries(method: &Method, has_body: bool, origins: usize) -> usize {
    // Others are idempotent as well, but not answered by a copy.
    match *method {
        Method::GET | Method::HEAD if !has_body => origins,
        _ if on(Rule::OnlyReads) => origins.min(1),
        _ => origins,
    }
}

/// Whether what an origin has said is passed on; `position` is its place in the order.
pub(super) fn counts(
    position: usize,
    answer: Result<StatusCode, &OriginError>,
    failing: ServerErrors,
) -> bool {
    match (position, answer) {
        // The next would get the same request.
        (_, Err(error)) => matches!(error, OriginError::Request(_)),
        (0, Ok(status)) => !failing.contains(status),
        (_, Ok(_)) if !on(Rule::OnlyGood) => true,
        (_, Ok(status)) => !status.is_client_error() && !status.is_server_error(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_can_be_asked_twice_is() {
        assert_eq!(tries(&Method::GET, false, 3), 3);
        assert_eq!(tries(&Method::HEAD, false, 3), 3);
        assert_eq!(tries(&Method::GET, true, 3), 1);
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(tries(&method, false, 3), 1);
        }
    }

    #[test]
    fn every_status_of_the_first_counts_but_those_that_mean_down() {
        let failing = ServerErrors::default();
        let counted = |position| {
            let codes = (200..600).filter(move |code| {
                counts(position, Ok(StatusCode::from_u16(*code).unwrap()), failing)
            });
            codes.collect::<Vec<u16>>()
        };
        let first: Vec<u16> = (200..600).filter(|code| !(502..=504).contains(code)).collect();
        assert_eq!(counted(0), first);
        assert_eq!(counted(1), (200..400).collect::<Vec<u16>>());
    }

    #[test]
    fn an_error_sends_on_unless_the_request_is_at_fault() {
        let late = OriginError::FirstByteTimeout(Duration::from_secs(1));
        let refused = OriginError::Refused { retry_after: Duration::ZERO };
        for error in [late, refused, OriginError::Connect("refused".into())] {
            assert!(!counts(0, Err(&error), ServerErrors::default()), "{error}");
        }
        let bad = OriginError::Request("too long".into());
        assert!(counts(0, Err(&bad), ServerErrors::default()));
    }
}

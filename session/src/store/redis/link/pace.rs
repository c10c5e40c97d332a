//! When to connect again, and when a connection is of no use: decisions.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause. A server that was restarted is back in some tens of milliseconds.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause: a server that is back is used within a second, and is asked by a process once in a second.
const LONGEST: Duration = Duration::from_secs(1);

/// How long to wait after so many attempts in a row that failed.
pub(super) fn pause(failed: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(doubled).min(LONGEST)
}

/// How long a connection may be silent with a question open. Under the 250 ms that a layer gives a store: a caller who
/// goes away has to leave with a verdict on the connection, or one that swallows everything would be kept for ever.
const SILENCE: Duration = Duration::from_millis(200);

/// Whether a connection over which a question was asked at `asked` is of no use: no answer came for long, neither to
/// this question nor to any other. `answered` is when one came last, if that says anything of this question's server.
pub(super) fn is_silent(asked: Instant, answered: Option<Instant>, now: Instant) -> bool {
    let heard = answered.is_some_and(|answered| answered > asked);
    !heard && now.saturating_duration_since(asked) >= SILENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_no_further() {
        let pauses: Vec<_> = [0, 1, 2, 3, 5, 6, 60, u32::MAX].into_iter().map(pause).collect();
        let millis = [50, 50, 100, 200, 800, 1000, 1000, 1000].map(Duration::from_millis);
        assert_eq!(pauses, millis);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_answers_others_is_not_silent() {
        let asked = Instant::now();
        let (soon, late) = (asked + SILENCE / 2, asked + SILENCE);
        assert!(!is_silent(asked, None, soon));
        assert!(is_silent(asked, None, late));
        assert!(is_silent(asked, Some(asked), late));
        assert!(!is_silent(asked, Some(soon), late));
    }
}

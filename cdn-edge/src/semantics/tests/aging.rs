//! RFC 9111, section 4.2: how long a response is fresh, and how old it is.

use super::*;

#[test]
fn the_first_source_of_a_lifetime_counts() {
    use Source::{Expires, Heuristic, MaxAge, None, SharedMaxAge};
    for (response, seconds, source) in [
        (&["Cache-Control: max-age=1, s-maxage=2", "Expires: @3"][..], 2, SharedMaxAge),
        (&["Cache-Control: max-age=1", "Expires: @3"], 1, MaxAge),
        (&["Cache-Control: max-age=\"7\""], 7, MaxAge),
        (&["Cache-Control: MAX-AGE=7, max-age=7"], 7, MaxAge),
        (&["Cache-Control: max-age=7, max-age=8"], 0, MaxAge),
        (&["Cache-Control: max-age=-7", "Expires: @3"], 0, MaxAge),
        (&["Cache-Control: s-maxage=x, max-age=60"], 0, SharedMaxAge),
        (&["Cache-Control: max-age=99999999999"], 1 << 31, MaxAge),
        (&["Cache-Control: x=\"max-age=9\"", "Expires: @3"], 3, Expires),
        (&["Expires: @3"], 3, Expires),
        (&["Expires: @3", "Date: @-4"], 7, Expires),
        (&["Expires: @-3"], 0, Expires),
        (&["Expires: 0"], 0, Expires),
        (&["Expires: @3", "Expires: @3"], 0, Expires),
        (&["Last-Modified: @-100"], 10, Heuristic),
        (&["Last-Modified: @-100", "Date: @-50"], 5, Heuristic),
        (&["Last-Modified: @100"], 0, Heuristic),
        (&["Last-Modified: @-1700000000"], 86_400, Heuristic),
        (&["X: "], 0, None),
    ] {
        // So that all of them are stored.
        let response = [response, &["ETag: \"a\""]].concat();
        let lifetime = admitted(&[], 200, &response, &rfc()).unwrap().lifetime;
        assert_eq!(lifetime, Lifetime { seconds, source }, "{response:?}");
    }
}

#[test]
fn by_default_nothing_is_guessed() {
    let response = ["Last-Modified: @-100"];
    let lifetime = |rules: &Rules| admitted(&[], 200, &response, rules).unwrap().lifetime;
    assert_eq!(lifetime(&secure()), Lifetime { seconds: 0, source: Source::None });
    assert_eq!(lifetime(&rfc()), Lifetime { seconds: 10, source: Source::Heuristic });
}

#[test]
fn the_age_on_arrival_is_the_larger_of_what_date_and_age_say() {
    for (response, delay, age) in [
        (&["X: "][..], 0, 0),
        (&["X: "], 5, 5),
        (&["Date: @0"], 5, 5),
        (&["Date: @-7"], 5, 12),
        (&["Age: 7"], 5, 12),
        (&["Age: 7", "Date: @-1"], 5, 12),
        (&["Age: 7", "Date: @-30"], 5, 35),
        // A clock that goes before ours says nothing.
        (&["Date: @500"], 5, 5),
        (&["Date: yesterday"], 0, 0),
        // What cannot be read is as old as can be.
        (&["Age: x"], 0, 1 << 31),
        (&["Age: 1, 2"], 0, 1 << 31),
        (&["Age: 1", "Age: 1"], 0, 1 << 31),
        (&["Age: 99999999999"], 0, 1 << 31),
        (&["Age: 2147483648"], 500, 1 << 31),
    ] {
        let headers = header(&[response, &["ETag: \"a\""]].concat());
        let (facts, none, now) = (get(&header(&[]), &rfc()), header(&[]), after(delay));
        let exchange = Exchange { facts: &facts, request: &none, asked: after(0), now };
        let admission = admit(&exchange, StatusCode::OK, &headers, &rfc());
        let Admission::Store(admitted) = admission else { panic!("{response:?}: {admission:?}") };
        assert_eq!(admitted.stored.age(now), age, "{response:?}");
        assert_eq!(admitted.stored.age(after(delay + 3)), age + 3, "{response:?} later");
    }
}

#[test]
fn a_response_is_fresh_until_its_age_reaches_its_lifetime() {
    let stored = stored(&["Cache-Control: max-age=10", "Age: 4"]);
    for (seconds, fresh, ttl, staleness) in [
        (0, true, 6, 0),
        (5, true, 1, 0),
        (6, false, 0, 0),
        (7, false, -1, 1),
        (99, false, -93, 93),
    ] {
        let now = after(seconds);
        assert_eq!(stored.is_fresh(now), fresh, "{seconds}");
        assert_eq!((stored.ttl(now), stored.staleness(now)), (ttl, staleness), "{seconds}");
    }
}

#[test]
fn the_wall_clock_does_not_age_what_is_stored() {
    let stored = stored(&["Cache-Control: max-age=10"]);
    let jumped = Now { unix: BASE + 1_000_000, tick: after(3).tick };
    assert_eq!(stored.age(jumped), 3);
    let back = Now { unix: 0, tick: after(3).tick };
    assert_eq!(stored.age(back), 3);
}

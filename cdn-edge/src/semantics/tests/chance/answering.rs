//! What of a stored response is given, to whom, and instead of a failure; and that nothing panics.

use super::*;

#[test]
fn what_is_answered_lies_in_the_body_and_was_asked_for() {
    let property: Property = |by, case| {
        let Some(Admitted { stored, .. }) = case.admitted(by) else { return Ok(()) };
        let (facts, now) = (case.facts(&case.next), case.now());
        // A stored part answers nothing that is not in it: only what lookup serves counts.
        let is_part = stored.span().is_some();
        if is_part && !matches!(case.looked(by, &stored), Lookup::Serve { .. }) {
            return Ok(());
        }
        let answer = (by.answer)(&facts, &case.next.headers, &stored, Some(case.length), now);
        let body = stored.span().map_or(0..case.length, |span| span.start..span.end);
        let whole = stored.span().map_or(case.length, |span| span.total);
        match answer {
            Answer::Full => return Ok(()),
            Answer::NotModified => {
                let asks = case.next.has("if-none-match") || case.next.has("if-modified-since");
                prop_assert!(asks);
                return Ok(());
            }
            Answer::Part(range, total) => {
                prop_assert!(range.start < range.end);
                prop_assert!(body.start <= range.start && range.end <= body.end, "{:?}", range);
                prop_assert_eq!(total, whole);
            }
            Answer::Parts(ranges, total) => {
                prop_assert!(ranges.len() > 1);
                for range in &ranges {
                    prop_assert!(range.start < range.end && range.end <= whole);
                }
                let sum: u64 = ranges.iter().map(|range| range.end - range.start).sum();
                prop_assert!(sum <= total && total == whole);
                prop_assert!(!is_part, "a part has no second range");
            }
            Answer::Unsatisfiable(total) => prop_assert_eq!(total, whole),
        }
        prop_assert!(case.next.has("range") && !case.next.is_head);
        Ok(())
    };
    let without = |answer| Decisions { answer, ..OURS };
    check(
        property,
        &[
            (
                "the end",
                without(|facts, request, stored, length, now| {
                    match answer(facts, request, stored, length, now) {
                        Answer::Part(range, total) => {
                            Answer::Part(range.start..range.end + 1, total)
                        }
                        other => other,
                    }
                }),
            ),
            (
                "the method",
                without(|facts, request, stored, length, now| {
                    let facts = Facts { verb: Verb::Get, range: true, ..facts.clone() };
                    answer(&facts, request, stored, length, now)
                }),
            ),
            (
                "the length",
                without(|facts, request, stored, _, now| {
                    answer(facts, request, stored, Some(100), now)
                }),
            ),
        ],
    );
}

#[test]
fn nothing_stands_in_for_a_failure_that_may_not_be_used_stale() {
    let property: Property = |by, case| {
        let Some(Admitted { stored, .. }) = case.admitted(by) else { return Ok(()) };
        let (facts, now) = (case.facts(&case.next), case.now());
        for failure in [Failure::Unreachable, Failure::Status(StatusCode::BAD_GATEWAY)] {
            let right = (by.rescue)(&stored, case.purged, failure, &facts, now, &case.rules);
            let Some(right) = right else { continue };
            prop_assert!(!never_stale(&case.told), "{} against must-revalidate", right);
            prop_assert!(!case.told.control.says("no-cache"), "{} against no-cache", right);
            let staleness = stored.staleness(now);
            match right {
                Reason::Fresh => prop_assert!(staleness == 0 && !case.purged),
                Reason::StaleIfError => {
                    let theirs = case.told.control.number("stale-if-error");
                    let asked = case.next.control.most("stale-if-error");
                    let asked = asked.filter(|_| case.rules.client_directives).unwrap_or(0);
                    let allowed = theirs.unwrap_or(case.rules.stale_if_error).max(asked);
                    prop_assert!(staleness < u64::from(allowed));
                }
                Reason::StaleDisconnected => {
                    prop_assert_eq!(failure, Failure::Unreachable);
                    prop_assert!(staleness < u64::from(case.rules.stale_when_disconnected));
                }
                other => prop_assert!(false, "stands in for {}", other),
            }
        }
        Ok(())
    };
    let without = |rescue| Decisions { rescue, ..OURS };
    check(
        property,
        &[
            (
                "must-revalidate",
                without(|stored, purged, failure, facts, now, rules| {
                    let stored = Stored { never_stale: false, ..stored.clone() };
                    rescue(&stored, purged, failure, facts, now, rules)
                }),
            ),
            (
                "no-cache",
                without(|stored, purged, failure, facts, now, rules| {
                    let stored = Stored { no_cache: false, ..stored.clone() };
                    rescue(&stored, purged, failure, facts, now, rules)
                }),
            ),
            (
                "that there was an answer",
                without(|stored, purged, _, facts, now, rules| {
                    rescue(stored, purged, Failure::Unreachable, facts, now, rules)
                }),
            ),
        ],
    );
}

/// Runs every decision over two headers of anything.
fn decide(request: &HeaderMap, response: &HeaderMap, rules: &Rules, status: u16, by: &Decisions) {
    let status = StatusCode::from_u16(status).unwrap();
    for method in [Method::GET, Method::HEAD, Method::POST] {
        let facts = Facts::of(&method, request, rules);
        let (asked, early) = (after(0), Now { unix: 3, tick: u64::MAX });
        let late = Now { unix: u64::MAX, tick: 0 };
        let _ = invalidates(facts.verb, b"example.com", status, response, "/a/b?c");
        let _ = names_itself(b"example.com", response, "/a/b?c");
        for now in [after(1), early, late] {
            let exchange = Exchange { facts: &facts, request, asked, now };
            let Admission::Store(admitted) = (by.admit)(&exchange, status, response, rules) else {
                continue;
            };
            let Admitted { stored, headers, .. } = *admitted;
            let _ = lookup(&[valid(&stored), valid(&stored)], &facts, request, now, rules);
            for length in [None, Some(0), Some(9), Some(u64::MAX)] {
                let _ = answer(&facts, request, &stored, length, now);
            }
            let _ = rescue(&stored, true, Failure::Unreachable, &facts, now, rules);
            let _ = freshen(&stored, &headers, &exchange, request, rules);
            let _ = freshen(&stored, &headers, &exchange, response, rules);
            let _ = head(&stored, &headers, &exchange, status, request, rules);
        }
    }
}

#[test]
fn no_bytes_make_a_decision_panic() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let statuses = prop_oneof![3 => Just(200u16), 1 => Just(206), 1 => 100u16..999];
    let messages = (garbage(), garbage(), any_rules(), statuses);
    let run = |by: Decisions, shrinks| {
        run(seed, shrinks, &messages, move |(request, response, rules, status)| {
            decide(&request, &response, &rules, status, &by);
            Ok(())
        })
    };
    if let Err(failure) = run(OURS, 500) {
        panic!("seed {seed}: {failure}");
    }
    let trusting = Decisions {
        admit: |exchange, status, response, rules| {
            for value in response.get_all("vary") {
                assert!(value.to_str().is_ok(), "the control panics at bytes that are no text");
            }
            admit(exchange, status, response, rules)
        },
        ..OURS
    };
    assert!(run(trusting, 0).is_err(), "seed {seed}: nobody sends bytes that are no text");
}

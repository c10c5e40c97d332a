//! Which stored responses are served.

use super::*;

#[test]
fn what_must_be_validated_is_not_served() {
    let property: Property = |by, case| {
        let Some(admitted) = case.admitted(by) else { return Ok(()) };
        let Lookup::Serve { .. } = case.looked(by, &admitted.stored) else { return Ok(()) };
        let control = &case.told.control;
        prop_assert!(!control.says("no-cache"));
        let asks = case.rules.client_directives && case.next.control.says("no-cache");
        prop_assert!(!asks, "the client's no-cache");
        prop_assert!(!case.next.has("if-match"));
        Ok(())
    };
    let without = |lookup| Decisions { lookup, ..OURS };
    check(
        property,
        &[
            (
                "no-cache",
                without(|all, facts, request, now, rules| {
                    lookup_with(all, (facts, request, now, rules), |it| it.no_cache = false)
                }),
            ),
            (
                "the client's no-cache",
                without(|all, facts, request, now, rules| {
                    let facts = Facts { directives: None, ..facts.clone() };
                    lookup(all, &facts, request, now, rules)
                }),
            ),
            (
                "If-Match",
                without(|all, facts, request, now, rules| {
                    let facts = Facts { precondition: false, ..facts.clone() };
                    lookup(all, &facts, request, now, rules)
                }),
            ),
        ],
    );
}

#[test]
fn nothing_is_served_staler_than_it_may_be() {
    let property: Property = |by, case| {
        let Some(Admitted { stored, .. }) = case.admitted(by) else { return Ok(()) };
        let Lookup::Serve { reason, behind, .. } = case.looked(by, &stored) else { return Ok(()) };
        let staleness =
            i64::try_from(stored.age(case.now())).unwrap() - i64::from(stored.lifetime());
        let fresh = !case.purged && staleness < 0;
        prop_assert!(fresh || !never_stale(&case.told), "stale and {:?}", reason);
        prop_assert_eq!(fresh, reason == Reason::Fresh);
        match reason {
            Reason::Fresh => prop_assert!(!behind),
            Reason::StaleWhileRevalidate => {
                let allowed = case.told.control.number("stale-while-revalidate");
                let allowed = allowed.unwrap_or(case.rules.stale_while_revalidate);
                prop_assert!(staleness < i64::from(allowed));
            }
            Reason::MaxStale => {
                prop_assert!(case.rules.client_directives && !case.purged);
                prop_assert!(case.next.control.says("max-stale"));
            }
            other => prop_assert!(false, "served for {}", other),
        }
        // More than what the request takes is never served either.
        if let (Some(most), true) =
            (case.next.control.most("max-age"), case.rules.client_directives)
        {
            let settled = fresh && case.told.control.says("immutable");
            prop_assert!(
                settled || stored.age(case.now()) <= u64::from(most),
                "max-age of the request"
            );
        }
        Ok(())
    };
    let without = |lookup| Decisions { lookup, ..OURS };
    check(
        property,
        &[
            (
                "must-revalidate",
                without(|all, facts, request, now, rules| {
                    lookup_with(all, (facts, request, now, rules), |it| it.never_stale = false)
                }),
            ),
            (
                "the lifetime",
                without(|all, facts, request, now, rules| {
                    lookup_with(all, (facts, request, now, rules), |it| {
                        it.lifetime = it.lifetime.saturating_add(1);
                    })
                }),
            ),
            (
                "the purge",
                without(|all, facts, request, now, rules| {
                    let all: Vec<_> = all.iter().map(|it| valid(it.stored)).collect();
                    lookup(&all, facts, request, now, rules)
                }),
            ),
        ],
    );
}

#[test]
fn a_response_answers_only_requests_that_would_have_selected_it() {
    let property: Property = |by, case| {
        let Some(Admitted { stored, .. }) = case.admitted(by) else { return Ok(()) };
        let Lookup::Serve { .. } = case.looked(by, &stored) else { return Ok(()) };
        for name in case.told.varies {
            let (first, next) = (case.first.headers.get(*name), case.next.headers.get(*name));
            prop_assert_eq!(first, next, "{}", name);
        }
        let leave = ["public", "must-revalidate", "s-maxage"];
        let leave = leave.iter().any(|name| case.told.control.says(name));
        prop_assert!(leave || !case.next.has("authorization"));
        Ok(())
    };
    let without = |lookup| Decisions { lookup, ..OURS };
    check(
        property,
        &[
            (
                "Vary",
                without(|all, facts, request, now, rules| {
                    lookup_with(all, (facts, request, now, rules), |it| it.selecting = None)
                }),
            ),
            (
                "credentials",
                without(|all, facts, request, now, rules| {
                    lookup_with(all, (facts, request, now, rules), |it| it.leave = true)
                }),
            ),
        ],
    );
}

#[test]
fn what_was_purged_hard_is_never_served() {
    // Two responses lie under the key, and one of them is not on the list.
    let property: Property = |by, case| {
        let Some(Admitted { stored: old, .. }) = case.admitted(by) else { return Ok(()) };
        let new = Case { told: case.update.clone(), ..case.clone() };
        let Some(Admitted { stored: new, .. }) = new.admitted(by) else { return Ok(()) };
        let list: Vec<_> = [(&old, case.purged), (&new, false)]
            .into_iter()
            .filter(|(_, purged)| !purged)
            .map(|(stored, _)| valid(stored))
            .collect();
        let facts = case.facts(&case.next);
        let found = (by.lookup)(&list, &facts, &case.next.headers, case.now(), &case.rules);
        if let Lookup::Serve { at, .. } | Lookup::Revalidate { at, .. } = found {
            prop_assert!(at < list.len());
            let nothing = (by.lookup)(&[], &facts, &case.next.headers, case.now(), &case.rules);
            let found = matches!(nothing, Lookup::Serve { .. } | Lookup::Revalidate { .. });
            prop_assert!(!found, "it is found though it is not there");
        }
        Ok(())
    };
    let remembers = Decisions {
        lookup: |all, facts, request, now, rules| match lookup(all, facts, request, now, rules) {
            Lookup::Serve { at, reason, behind } => Lookup::Serve { at: at + 1, reason, behind },
            other => other,
        },
        ..OURS
    };
    check(property, &[("its absence", remembers)]);
}

/// A lookup that sees other stored responses than there are.
fn lookup_with(
    candidates: &[Candidate<'_>],
    (facts, request, now, rules): (&Facts, &HeaderMap, Now, &Rules),
    change: impl Fn(&mut Stored),
) -> Lookup {
    let changed: Vec<(Stored, bool)> = candidates
        .iter()
        .map(|candidate| {
            let mut stored = candidate.stored.clone();
            change(&mut stored);
            (stored, candidate.purged)
        })
        .collect();
    let changed: Vec<_> =
        changed.iter().map(|(stored, purged)| Candidate { stored, purged: *purged }).collect();
    lookup(&changed, facts, request, now, rules)
}

use super::*;

/// The response without a directive.
fn unsaid(response: &HeaderMap, name: &str) -> HeaderMap {
    let mut headers = response.clone();
    headers.remove("cache-control");
    for line in response.get_all("cache-control") {
        let line = String::from_utf8_lossy(line.as_bytes()).to_lowercase().replace(name, "x");
        headers.append("cache-control", HeaderValue::from_str(&line).unwrap());
    }
    headers
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

#[test]
fn nothing_is_stored_against_the_will_of_its_origin() {
    let property: Property = |by, case| {
        let Some(admitted) = case.admitted(by) else { return Ok(()) };
        let (told, control) = (&case.told, &case.told.control);
        prop_assert!(!control.says("no-store") || control.says("must-understand"), "no-store");
        prop_assert!(!control.says("private"), "private");
        prop_assert!(!told.star, "Vary: *");
        prop_assert!(!case.first.is_head, "the answer to a HEAD");
        let leave = ["public", "must-revalidate", "s-maxage"];
        let leave = leave.iter().any(|name| control.says(name));
        prop_assert!(leave || !case.first.has("authorization"), "Authorization without leave");
        let cookies = case.rules.cookies_need_leave && case.first.has("cookie");
        prop_assert!(leave || !cookies, "Cookie without leave");
        let sets = told.headers.contains_key("set-cookie");
        match case.rules.set_cookie {
            SetCookie::Refuse => prop_assert!(!sets, "Set-Cookie"),
            SetCookie::Strip => prop_assert!(!admitted.headers.contains_key("set-cookie")),
            SetCookie::Store => {}
        }
        let is_part = admitted.stored.span().is_some();
        prop_assert_eq!(is_part, told.status == StatusCode::PARTIAL_CONTENT);
        prop_assert!(told.status != StatusCode::RANGE_NOT_SATISFIABLE);
        Ok(())
    };
    let without = |admit| Decisions { admit, ..OURS };
    check(
        property,
        &[
            (
                "no-store",
                without(|x, status, told, r| admit(x, status, &unsaid(told, "no-store"), r)),
            ),
            (
                "private",
                without(|x, status, told, r| admit(x, status, &unsaid(told, "private"), r)),
            ),
            (
                "Vary",
                without(|x, status, told, rules| {
                    let mut told = told.clone();
                    told.remove("vary");
                    admit(x, status, &told, rules)
                }),
            ),
            (
                "credentials",
                without(|x, status, told, rules| {
                    let facts = Facts { authorization: false, ..x.facts.clone() };
                    admit(&Exchange { facts: &facts, ..*x }, status, told, rules)
                }),
            ),
            (
                "cookies",
                without(|x, status, told, rules| {
                    let facts = Facts { cookie: false, ..x.facts.clone() };
                    admit(&Exchange { facts: &facts, ..*x }, status, told, rules)
                }),
            ),
            (
                "Set-Cookie",
                without(|x, status, told, rules| {
                    let rules = Rules { set_cookie: SetCookie::Store, ..rules.clone() };
                    admit(x, status, told, &rules)
                }),
            ),
            (
                "the method",
                without(|x, status, told, rules| {
                    let facts = Facts { verb: Verb::Get, ..x.facts.clone() };
                    admit(&Exchange { facts: &facts, ..*x }, status, told, rules)
                }),
            ),
        ],
    );
}

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

/// Whether a response says that it is never to be used stale.
fn never_stale(told: &Told) -> bool {
    ["must-revalidate", "proxy-revalidate", "s-maxage"].iter().any(|name| told.control.says(name))
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

#[test]
fn age_only_grows_and_is_never_less_than_what_the_response_says() {
    let property: Property = |by, case| {
        let Some(Admitted { stored, lifetime, .. }) = case.admitted(by) else { return Ok(()) };
        let (came, now) = (case.answered(), case.now());
        let (then, age) = ((by.age)(&stored, came), (by.age)(&stored, now));
        prop_assert_eq!(age, then + case.later, "it grows by the time that passes");
        let limit = 1 << 31;
        prop_assert!(then >= (case.told.age + case.delay).min(limit), "the received Age");
        let apparent = case.told.date.map_or(0, |date| came.unix.saturating_sub(date));
        prop_assert!(then >= apparent, "its Date");
        let ttl = i64::from(lifetime.seconds) - i64::try_from(age).unwrap();
        prop_assert_eq!(stored.ttl(now), ttl);
        prop_assert_eq!(stored.is_fresh(now), ttl > 0);
        prop_assert_eq!(stored.staleness(now), u64::try_from(-ttl).unwrap_or(0));
        // The wall clock may jump by any amount.
        let jumped = Now { unix: now.unix / 2, ..now };
        prop_assert_eq!((by.age)(&stored, jumped), age);
        Ok(())
    };
    let admit_without = |admit| Decisions { admit, ..OURS };
    check(
        property,
        &[
            (
                "Age",
                admit_without(|x, status, told, rules| {
                    let mut told = told.clone();
                    told.remove("age");
                    admit(x, status, &told, rules)
                }),
            ),
            (
                "Date",
                admit_without(|x, status, told, rules| {
                    let mut told = told.clone();
                    told.remove("date");
                    admit(x, status, &told, rules)
                }),
            ),
            (
                "the time on the way",
                admit_without(|x, status, told, rules| {
                    admit(&Exchange { asked: x.now, ..*x }, status, told, rules)
                }),
            ),
            ("residence", Decisions { age: |it, _| it.age(after(0)), ..OURS }),
            (
                "the monotonic clock",
                Decisions { age: |it, now| it.age(now).min(now.unix.saturating_sub(BASE)), ..OURS },
            ),
        ],
    );
}

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

#[test]
fn a_304_changes_neither_what_is_stored_nor_what_may_be() {
    let property: Property = |by, case| {
        let Some(Admitted { stored, headers, .. }) = case.admitted(by) else { return Ok(()) };
        let (facts, now) = (case.facts(&case.first), case.now());
        let exchange = Exchange { facts: &facts, request: &case.first.headers, asked: now, now };
        let update = &case.update;
        let Freshened::Updated(updated) =
            (by.freshen)(&stored, &headers, &exchange, &update.headers, &case.rules)
        else {
            return Ok(());
        };
        prop_assert_eq!(updated.stored.status(), stored.status());
        prop_assert_eq!(updated.stored.span(), stored.span());
        prop_assert_eq!(updated.headers.get("etag"), headers.get("etag"));
        prop_assert!(!update.control.says("no-store") || update.control.says("must-understand"));
        prop_assert!(!update.control.says("private") && !update.star);
        let tag = |value: Option<&HeaderValue>| match value.map(HeaderValue::as_bytes) {
            Some(b"\"a\"" | b"W/\"a\"") => Some('a'),
            Some(b"\"b\"") => Some('b'),
            _ => None,
        };
        let (ours, theirs) = (tag(headers.get("etag")), tag(update.headers.get("etag")));
        prop_assert!(ours.is_none() || theirs.is_none() || ours == theirs, "another response");
        prop_assert!(updated.stored.age(now) >= update.age.min(1 << 31));
        Ok(())
    };
    let without = |freshen| Decisions { freshen, ..OURS };
    check(
        property,
        &[
            (
                "the tag",
                without(|stored, header, exchange, update, rules| {
                    let mut update = update.clone();
                    update.remove("etag");
                    freshen(stored, header, exchange, &update, rules)
                }),
            ),
            (
                "no-store",
                without(|stored, header, exchange, update, rules| {
                    freshen(stored, header, exchange, &unsaid(update, "no-store"), rules)
                }),
            ),
            (
                "the part",
                without(|stored, header, exchange, update, rules| {
                    match freshen(stored, header, exchange, update, rules) {
                        Freshened::Updated(mut updated) => {
                            updated.stored.span = None;
                            Freshened::Updated(updated)
                        }
                        other => other,
                    }
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

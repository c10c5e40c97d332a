//! What is stored, what a 304 changes, and how old it is.

use super::*;

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

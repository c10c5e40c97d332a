//! RFC 9111, section 3: what may be stored.

use super::*;

const FRESH: &str = "Cache-Control: max-age=60";

#[test]
fn a_response_that_forbids_it_is_not_stored() {
    for (forbids, reason) in [
        ("Cache-Control: no-store", Reason::NoStore),
        ("Cache-Control: public , NO-store", Reason::NoStore),
        ("Cache-Control: no-store=1", Reason::NoStore),
        ("Cache-Control: private", Reason::Private),
        ("Cache-Control: private=x-user", Reason::Private),
        ("Cache-Control: private=\"\"", Reason::Private),
        ("Vary: *", Reason::VaryAny),
        ("Vary: accept, *", Reason::VaryAny),
        ("Vary: accept language", Reason::VaryAny),
    ] {
        for rules in [rfc(), secure()] {
            let refused = admitted(&[], 200, &[FRESH, forbids], &rules).map(drop);
            assert_eq!(refused, Err(reason), "{forbids}");
            assert!(admitted(&[], 200, &[FRESH], &rules).is_ok(), "without {forbids}");
        }
    }
}

#[test]
fn must_understand_takes_the_place_of_no_store_for_a_known_status() {
    let both = "Cache-Control: max-age=60, must-understand, no-store";
    assert!(admitted(&[], 200, &[both], &rfc()).is_ok());
    assert!(admitted(&[], 404, &[both], &rfc()).is_ok());
    assert_eq!(admitted(&[], 299, &[both], &rfc()).map(drop), Err(Reason::MustUnderstand));
    assert!(admitted(&[], 299, &[FRESH], &rfc()).is_ok());
}

#[test]
fn an_explicit_lifetime_is_stored_with_every_final_status() {
    for status in (200..600).filter(|status| ![206, 304, 416].contains(status)) {
        assert!(admitted(&[], status, &[FRESH], &rfc()).is_ok(), "{status}");
        let secure = admitted(&[], status, &[FRESH], &secure()).unwrap();
        let wanted = if status < 400 { 60 } else { 10 };
        assert_eq!(secure.stored.lifetime(), wanted, "{status}");
    }
    for status in [100, 103, 199, 304] {
        assert_eq!(admitted(&[], status, &[FRESH], &rfc()).map(drop), Err(Reason::Status));
    }
}

#[test]
fn without_one_only_the_statuses_of_rfc_9110_are_stored() {
    let modified = "Last-Modified: @-6000";
    for status in (200..600).filter(|status| ![206, 304, 416].contains(status)) {
        let known = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501].contains(&status);
        let read = admitted(&[], status, &[modified], &rfc()).map(drop);
        assert_eq!(read, if known { Ok(()) } else { Err(Reason::Status) }, "{status}");
        let public = admitted(&[], status, &[modified, "Cache-Control: public"], &rfc());
        assert!(public.is_ok(), "{status}");
    }
}

#[test]
fn what_answers_credentials_needs_leave() {
    for (control, leave) in [
        ("max-age=60", false),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, private=\"x\"", false),
        ("max-age=60, s-maxage=x", false),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", true),
        ("s-maxage=60", true),
    ] {
        for rules in [rfc(), secure()] {
            let control = format!("Cache-Control: {control}");
            let response = [control.as_str(), "ETag: \"a\""];
            let read = admitted(&["Authorization: Basic eA=="], 200, &response, &rules).map(drop);
            assert_eq!(read, if leave { Ok(()) } else { Err(Reason::Authorization) }, "{control}");
            assert!(admitted(&[], 200, &response, &rules).is_ok(), "{control} for everybody");
        }
    }
}

#[test]
fn cookies_need_leave_by_default_and_not_in_the_rfc() {
    let cookie = ["Cookie: a=b"];
    assert_eq!(admitted(&cookie, 200, &[FRESH], &secure()).map(drop), Err(Reason::Cookie));
    assert!(admitted(&cookie, 200, &["Cache-Control: public, max-age=60"], &secure()).is_ok());
    assert!(admitted(&cookie, 200, &["CDN-Cache-Control: max-age=60"], &secure()).is_ok());
    assert!(admitted(&cookie, 200, &[FRESH], &rfc()).is_ok());
}

#[test]
fn set_cookie_is_refused_stripped_or_stored_as_the_rules_say() {
    let response = ["Cache-Control: public, max-age=60", "Set-Cookie: a=b"];
    assert_eq!(admitted(&[], 200, &response, &secure()).map(drop), Err(Reason::SetCookie));
    let strip = Rules { set_cookie: SetCookie::Strip, ..secure() };
    let stripped = admitted(&[], 200, &response, &strip).unwrap();
    assert!(!stripped.headers.contains_key("set-cookie"));
    assert!(admitted(&[], 200, &response, &rfc()).unwrap().headers.contains_key("set-cookie"));
}

#[test]
fn a_request_that_wants_nothing_stored_counts_where_clients_count() {
    let request = ["Cache-Control: no-store"];
    assert_eq!(admitted(&request, 200, &[FRESH], &rfc()).map(drop), Err(Reason::RequestNoStore));
    assert!(admitted(&request, 200, &[FRESH], &secure()).is_ok());
}

#[test]
fn only_the_answer_to_a_get_is_stored() {
    let (rules, now, response) = (rfc(), after(0), header(&[FRESH]));
    for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "PROPFIND", "BREW"] {
        let facts =
            Facts::of(&Method::from_bytes(method.as_bytes()).unwrap(), &header(&[]), &rules);
        let exchange = Exchange { facts: &facts, request: &header(&[]), asked: now, now };
        let admission = admit(&exchange, StatusCode::OK, &response, &rules);
        let is_stored = matches!(admission, Admission::Store(_));
        assert_eq!(is_stored, method == "GET", "{method}");
    }
}

#[test]
fn a_part_is_stored_only_if_it_is_known_where_it_lies() {
    let range = ["Range: bytes=0-9"];
    for (place, span) in [
        ("Content-Range: bytes 0-9/20", Some(Span { start: 0, end: 10, total: 20 })),
        ("Content-Range: bytes 10-19/20", Some(Span { start: 10, end: 20, total: 20 })),
        ("Content-Range: bytes 0-9/*", None),
        ("Content-Range: bytes */20", None),
        ("Content-Range: bytes 9-0/20", None),
        ("Content-Range: bytes 0-20/20", None),
        ("Content-Range: items 0-9/20", None),
        ("X: ", None),
    ] {
        let read = admitted(&range, 206, &[FRESH, place], &rfc());
        match (read, span) {
            (Ok(admitted), Some(span)) => assert_eq!(admitted.stored.span(), Some(span)),
            (Err(reason), None) => assert_eq!(reason, Reason::BadPart, "{place}"),
            (read, _) => panic!("{place}: {read:?}"),
        }
    }
    let place = "Content-Range: bytes 0-9/20";
    assert!(admitted(&[], 206, &[FRESH, place], &rfc()).is_err(), "nobody asked for it");
    let twice = [FRESH, place, place];
    assert!(admitted(&range, 206, &twice, &rfc()).is_err(), "it lies in two places");
    assert_eq!(admitted(&range, 416, &[FRESH], &rfc()).map(drop), Err(Reason::BadPart));
}

#[test]
fn what_varies_without_bound_is_not_stored_by_default() {
    for name in ["User-Agent", "cookie", "Accept, Referer", "Authorization", "X-Forwarded-For"] {
        let vary = format!("Vary: {name}");
        let response = ["Cache-Control: public, max-age=60", &vary];
        assert_eq!(admitted(&[], 200, &response, &secure()).map(drop), Err(Reason::VaryUnbounded));
        assert!(admitted(&[], 200, &response, &rfc()).is_ok());
    }
    assert!(admitted(&[], 200, &[FRESH, "Vary: Accept"], &secure()).is_ok());
}

#[test]
fn what_could_never_be_of_use_is_not_stored() {
    for (response, wanted) in [
        (&["Cache-Control: max-age=0"][..], Err(Reason::NoLifetime)),
        (&["Cache-Control: max-age=60", "Age: 60"], Err(Reason::NoLifetime)),
        (&["Cache-Control: max-age=60", "Age: 59"], Ok(())),
        (&["Cache-Control: max-age=0", "ETag: \"a\""], Ok(())),
        (&["Cache-Control: max-age=0", "Last-Modified: @-9"], Ok(())),
        (&["Cache-Control: max-age=0, stale-if-error=9"], Ok(())),
        (&["Cache-Control: max-age=0, stale-while-revalidate=9"], Ok(())),
        (&["Cache-Control: max-age=60, no-cache"], Err(Reason::NoCache)),
        (&["Cache-Control: max-age=60, no-cache", "ETag: \"a\""], Ok(())),
        (&["Cache-Control: max-age=60, no-cache=\"x\""], Ok(())),
        (&["X: "], Err(Reason::NoLifetime)),
    ] {
        assert_eq!(admitted(&[], 200, response, &rfc()).map(drop), wanted, "{response:?}");
    }
}

#[test]
fn fields_for_one_connection_or_one_client_are_not_stored() {
    let response = [
        "Cache-Control: max-age=60, no-cache=\"x-a, x-b\", private=\"X-C\"",
        "Connection: x-hop, cache-control, x-d",
        "Keep-Alive: timeout=5",
        "Transfer-Encoding: chunked",
        "X-Hop: 1",
        "X-A: 1",
        "X-B: 1",
        "X-C: 1",
        "X-D: 1",
        "X-E: 1",
        "X-E: 2",
        "Age: 3",
        "Surrogate-Key: front",
        "Cache-Tag: front",
    ];
    let headers = admitted(&[], 200, &response, &rfc()).unwrap().headers;
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "date", "x-e"]);
    assert_eq!(headers.get_all("x-e").iter().count(), 2, "each line of a field");
    assert_eq!(headers["date"], date::format(BASE), "a response without a date gets one");
}

#[test]
fn a_targeted_field_overrules_cache_control_and_expires() {
    for (response, lifetime) in [
        (&["CDN-Cache-Control: max-age=9", "Cache-Control: no-store"][..], Ok(9)),
        (&["CDN-Cache-Control: max-age=9", "Cache-Control: max-age=60"], Ok(9)),
        (&["CDN-Cache-Control: no-store", FRESH], Err(Reason::NoStore)),
        (&["CDN-Cache-Control: private", FRESH], Err(Reason::Private)),
        // One error and the whole field counts as absent (RFC 9213, 2.1).
        (&["CDN-Cache-Control: no-store, &", FRESH], Ok(60)),
        (&["CDN-Cache-Control: max-age=x", FRESH], Ok(60)),
        (&["CDN-Cache-Control: ", FRESH], Ok(60)),
        (&["CDN-Cache-Control: public", "Expires: @60", "ETag: \"a\""], Ok(0)),
    ] {
        for rules in [rfc(), secure()] {
            let read = admitted(&[], 200, response, &rules);
            assert_eq!(read.map(|it| it.stored.lifetime()), lifetime, "{response:?}");
        }
    }
}

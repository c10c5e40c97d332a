use super::*;
use proptest::prelude::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

#[test]
fn removes_every_connection_field_of_a_request() {
    let mut headers = map(&[
        ("host", "a"),
        ("connection", "keep-alive, X, session"),
        ("session", "7"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eA=="),
        ("te", "gzip"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABk"),
        ("accept", "*/*"),
    ]);
    let removed = clean_request(&mut headers).unwrap();
    assert_eq!(removed, Removed::default());
    assert_eq!(lines(&headers), lines(&map(&[("host", "a"), ("accept", "*/*")])));
}

#[test]
fn removes_every_connection_field_of_a_response_and_keeps_repeated_lines() {
    let mut headers = map(&[
        ("connection", "close, foo"),
        ("foo", "1"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("proxy-authenticate", "Basic"),
        ("transfer-encoding", "chunked"),
        ("content-length", "10"),
        ("trailer", "x-sum"),
    ]);
    assert_eq!(clean_response(&mut headers), Ok(None));
    let kept = map(&[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("trailer", "x-sum")]);
    let mut have = lines(&headers);
    have.sort();
    let mut want = lines(&kept);
    want.sort();
    assert_eq!(have, want);
}

#[test]
fn connection_cannot_remove_what_the_backend_relies_on() {
    for name in [
        "host",
        "authorization",
        "cookie",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-real-ip",
        "forwarded",
        "content-length",
        "x-request-id",
        "sec-websocket-key",
    ] {
        let mut headers = map(&[("connection", name), (name, "1")]);
        clean_request(&mut headers).unwrap();
        assert!(headers.contains_key(name), "{name} was removed");
        assert!(!headers.contains_key("connection"));
    }
    // The control: a field that nobody protects goes.
    let mut headers = map(&[("connection", "session"), ("session", "1")]);
    clean_request(&mut headers).unwrap();
    assert!(headers.is_empty());
}

#[test]
fn te_trailers_survives_alone() {
    for (te, kept) in [
        ("trailers", true),
        ("Trailers", true),
        ("gzip, trailers;q=0.5", true),
        ("gzip", false),
        ("trailersx", false),
    ] {
        let mut headers = map(&[("te", te), ("connection", "TE")]);
        let removed = clean_request(&mut headers).unwrap();
        assert_eq!(removed.te_trailers, kept, "{te}");
        let have = headers.get("te").map(HeaderValue::as_bytes);
        assert_eq!(have, kept.then_some(&b"trailers"[..]), "{te}");
    }
}

#[test]
fn upgrade_counts_only_when_connection_names_it() {
    let mut headers = map(&[("upgrade", "websocket")]);
    assert_eq!(clean_request(&mut headers).unwrap().upgrade, None);
    let mut headers = map(&[("upgrade", "websocket"), ("connection", "keep-alive, Upgrade")]);
    let removed = clean_request(&mut headers).unwrap();
    assert_eq!(removed.upgrade, Some(HeaderValue::from_static("websocket")));
    assert!(headers.is_empty());
}

#[test]
fn refuses_transfer_codings_that_it_cannot_undo() {
    for coding in ["gzip, chunked", "gzip", "chunked, chunked", "identity", "xchunked", ""] {
        let mut headers = map(&[("transfer-encoding", coding)]);
        let refused = clean_request(&mut headers);
        assert_eq!(refused, Err(HeaderRejection::TransferCoding), "{coding:?}");
        let mut headers = map(&[("transfer-encoding", coding)]);
        let refused = clean_response(&mut headers);
        assert_eq!(refused, Err(HeaderRejection::TransferCoding), "{coding:?}");
    }
}

#[test]
fn max_forwards_counts_down_and_stops_at_zero() {
    let mut headers = map(&[("max-forwards", "2")]);
    assert_eq!(count_down_max_forwards(&mut headers), Ok(true));
    assert_eq!(headers["max-forwards"], "1");
    assert_eq!(count_down_max_forwards(&mut headers), Ok(true));
    assert_eq!(count_down_max_forwards(&mut headers), Ok(false));
    assert_eq!(count_down_max_forwards(&mut HeaderMap::new()), Ok(true));
    let huge = "9".repeat(40);
    assert_eq!(count_down_max_forwards(&mut map(&[("max-forwards", &huge)])), Ok(true));
    for bad in ["", "-1", "x"] {
        let refused = count_down_max_forwards(&mut map(&[("max-forwards", bad)]));
        assert_eq!(refused, Err(HeaderRejection::MaxForwards));
    }
}

fn any_headers() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        Just("connection".to_owned()),
        Just("te".to_owned()),
        Just("upgrade".to_owned()),
        Just("transfer-encoding".to_owned()),
        Just("keep-alive".to_owned()),
        Just("proxy-connection".to_owned()),
        Just("x-forwarded-for".to_owned()),
        Just("set-cookie".to_owned()),
        "[a-z][a-z0-9-]{0,8}",
    ];
    let value = prop_oneof![
        prop::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..24),
        "(close|te|upgrade|host|cookie|foo|[a-z]{1,3})(, ?[a-z]{1,4}){0,3}".prop_map(Vec::from),
        Just(b"chunked".to_vec()),
    ];
    prop::collection::vec((name, value), 0..12)
}

proptest! {
    #[test]
    fn no_connection_field_survives_and_the_rest_keeps_its_order(fields in any_headers()) {
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let before = headers.clone();
        if clean_request(&mut headers).is_err() {
            return Ok(());
        }
        for name in [
            "connection", "upgrade", "transfer-encoding", "keep-alive", "proxy-connection",
            "proxy-authorization", "proxy-authenticate",
        ] {
            prop_assert!(!headers.contains_key(name));
        }
        if let Some(te) = headers.get("te") {
            prop_assert_eq!(te, "trailers");
        }
        for name in headers.keys().filter(|name| *name != "te") {
            let have: Vec<_> = headers.get_all(name).iter().collect();
            let came: Vec<_> = before.get_all(name).iter().collect();
            prop_assert_eq!(have, came);
        }
        // Cleaning is idempotent.
        let once = headers.clone();
        prop_assert!(clean_request(&mut headers).is_ok());
        prop_assert_eq!(once, headers);
    }
}

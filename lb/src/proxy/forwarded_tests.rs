use super::*;
use proptest::prelude::*;

fn trusting(networks: &[&str]) -> Forwarding {
    let trusted = networks.iter().map(|text| parse_network(text).unwrap()).collect();
    Forwarding { trusted, rfc7239: false }
}

fn peer(ip: &str) -> Peer {
    Peer::tcp(SocketAddr::new(ip.parse().unwrap(), 4711))
}

fn apply(rule: &Forwarding, peer: &Peer, fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let host = HeaderValue::from_static("example.org");
    rule.apply(&mut headers, Some(peer), &host, !fields.is_empty());
    headers
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    assert!(headers.get_all(name).iter().count() <= 1, "{name} repeated");
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn a_stranger_is_named_by_its_socket() {
    let headers = apply(&trusting(&[]), &peer("203.0.113.9"), &[]);
    assert_eq!(text(&headers, "x-forwarded-for"), "203.0.113.9");
    assert_eq!(text(&headers, "x-forwarded-proto"), "http");
    assert_eq!(text(&headers, "x-forwarded-host"), "example.org");
    assert_eq!(text(&headers, "forwarded"), "");
}

#[test]
fn claims_of_a_stranger_are_replaced() {
    let claims = [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "admin.internal"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/admin"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
    ];
    let headers = apply(&trusting(&["10.0.0.0/8"]), &peer("203.0.113.9"), &claims);
    assert_eq!(text(&headers, "x-forwarded-for"), "203.0.113.9");
    assert_eq!(text(&headers, "x-forwarded-proto"), "http");
    assert_eq!(text(&headers, "x-forwarded-host"), "example.org");
    assert_eq!(headers.len(), 3);
}

#[test]
fn the_same_claims_are_believed_from_a_trusted_proxy() {
    // The control of the test above: what differs is the peer alone.
    let claims = [
        ("x-forwarded-for", "198.51.100.7"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "www.example.org"),
    ];
    let headers = apply(&trusting(&["10.0.0.0/8"]), &peer("10.0.0.2"), &claims);
    assert_eq!(text(&headers, "x-forwarded-for"), "198.51.100.7, 10.0.0.1, 10.0.0.2");
    assert_eq!(text(&headers, "x-forwarded-proto"), "https");
    assert_eq!(text(&headers, "x-forwarded-host"), "www.example.org");
}

#[test]
fn the_row_is_cut_at_the_first_stranger_from_the_right() {
    let rule = trusting(&["10.0.0.0/8"]);
    let cut = |claim: &str| {
        let headers = apply(&rule, &peer("10.0.0.2"), &[("x-forwarded-for", claim)]);
        text(&headers, "x-forwarded-for").to_owned()
    };
    assert_eq!(cut("127.0.0.1, 198.51.100.7"), "198.51.100.7, 10.0.0.2");
    assert_eq!(cut("1.1.1.1, 198.51.100.7, 10.9.9.9"), "198.51.100.7, 10.9.9.9, 10.0.0.2");
    assert_eq!(cut("10.1.1.1, garbage, 10.9.9.9"), "10.9.9.9, 10.0.0.2");
    assert_eq!(cut("unknown"), "10.0.0.2");
    assert_eq!(cut(""), "10.0.0.2");
    assert_eq!(cut("198.51.100.7:1234"), "198.51.100.7, 10.0.0.2");
    assert_eq!(cut("[2001:db8::1]:1234"), "2001:db8::1, 10.0.0.2");
    assert_eq!(cut("::ffff:10.3.3.3"), "10.3.3.3, 10.0.0.2");
}

#[test]
fn odd_protocols_and_hosts_of_a_trusted_proxy_fall_back_to_facts() {
    let rule = trusting(&["10.0.0.0/8"]);
    let claims = [("x-forwarded-proto", "https, http"), ("x-forwarded-host", "a/b")];
    let headers = apply(&rule, &peer("10.0.0.2").secure(true), &claims);
    assert_eq!(text(&headers, "x-forwarded-proto"), "https");
    assert_eq!(text(&headers, "x-forwarded-host"), "example.org");
}

#[test]
fn forwarded_is_cut_by_the_same_rule_and_extended() {
    let rule = trusting(&["10.0.0.0/8", "fd00::/8"]);
    let claim = r#"for=1.1.1.1, For="198.51.100.7:99";proto=https;by="a,b", for="[fd00::1]""#;
    let headers = apply(&rule, &peer("10.0.0.2"), &[("forwarded", claim)]);
    assert_eq!(
        text(&headers, "forwarded"),
        "For=\"198.51.100.7:99\";proto=https;by=\"a,b\", for=\"[fd00::1]\", \
         for=10.0.0.2;host=\"example.org\";proto=http"
    );
    let broken = apply(&rule, &peer("10.0.0.2"), &[("forwarded", r#"for="10.0.0.9"#)]);
    assert_eq!(text(&broken, "forwarded"), "for=10.0.0.2;host=\"example.org\";proto=http");
}

#[test]
fn forwarded_is_written_when_asked_for() {
    let rule = Forwarding { rfc7239: true, ..trusting(&[]) };
    let headers = apply(&rule, &peer("2001:db8::9"), &[]);
    let value = text(&headers, "forwarded");
    assert_eq!(value, "for=\"[2001:db8::9]\";host=\"example.org\";proto=http");
}

#[test]
fn a_unix_peer_is_a_stranger_unless_trusted() {
    let claims = [("x-forwarded-for", "198.51.100.7")];
    let headers = apply(&trusting(&[]), &Peer::unix(), &claims);
    assert_eq!(text(&headers, "x-forwarded-for"), "");
    let rule = Forwarding { trusted: TrustedProxies::none().unix(true), ..Forwarding::default() };
    let headers = apply(&rule, &Peer::unix(), &claims);
    assert_eq!(text(&headers, "x-forwarded-for"), "198.51.100.7");
}

#[test]
fn networks_are_read_or_named_in_the_error() {
    assert!(parse_network("10.0.0.0/8").is_ok());
    assert!(parse_network("::1").is_ok());
    let error = parse_network("10.0.0.0/33").unwrap_err();
    assert_eq!(error.to_string(), "`10.0.0.0/33` is not a network such as 10.0.0.0/8");
}

proptest! {
    #[test]
    fn a_stranger_decides_nothing(
        claims in prop::collection::vec(
            (
                prop_oneof![
                    Just("x-forwarded-for"), Just("x-forwarded-proto"), Just("x-forwarded-host"),
                    Just("forwarded"), Just("x-real-ip"), Just("x-forwarded-anything"),
                ],
                prop::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8..=0xff], 0..40),
            ),
            1..6,
        )
    ) {
        let rule = trusting(&["10.0.0.0/8"]);
        let host = HeaderValue::from_static("example.org");
        let build = || {
            let mut headers = HeaderMap::new();
            for (name, value) in &claims {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            }
            headers
        };
        let mut headers = build();
        rule.apply(&mut headers, Some(&peer("203.0.113.9")), &host, true);
        let mut clean = HeaderMap::new();
        rule.apply(&mut clean, Some(&peer("203.0.113.9")), &host, false);
        prop_assert_eq!(headers, clean);
        // A trusted proxy may claim any bytes: never a panic, and the last address is the peer's.
        let mut headers = build();
        rule.apply(&mut headers, Some(&peer("10.0.0.2")), &host, true);
        let row = headers["x-forwarded-for"].to_str().unwrap();
        prop_assert!(row.ends_with("10.0.0.2"));
        let strangers = row
            .split(", ")
            .skip(1)
            .filter(|ip| !rule.trusted.contains(ip.parse().unwrap()))
            .count();
        prop_assert_eq!(strangers, 0);
    }
}

//! Whatever somebody sends, the site answers, and never with a fault of its own.

mod support;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use proptest::prelude::*;
use support::Site;
use tower::ServiceExt;

/// Paths that exist, with one segment of anything.
fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/",
        "/stations",
        "/stations/",
        "/tracks/",
        "/favourites/",
        "/favourites",
        "/listeners/",
        "/covers/",
        "/assets/",
        "/sign-in",
        "/sign-out",
        "/whoami",
        "/readyz",
    ]);
    let segment = prop_oneof![
        "[0-9]{0,22}",
        "-?[0-9]{1,3}",
        "[a-z0-9%.]{0,12}",
        "(%[0-9a-fA-F]{2}){0,6}",
        "[0-9]{1,4}\\.svg",
    ];
    (known, segment, prop::option::of("/(tracks|now|x)"))
        .prop_map(|(known, segment, rest)| format!("{known}{segment}{}", rest.unwrap_or_default()))
}

fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "q", "page", "per_page", "genre", "sort", "format", "v", "next", "keep", "listener", "%00",
        "",
    ]);
    let value = prop_oneof![
        "[0-9]{0,12}",
        "[a-zA-Z%+_\\-]{0,20}",
        "(%[0-9a-f]{2}){0,8}",
        prop::sample::select(vec!["json", "html", "xml", "name", "jazz", "yes", "/x", "//x"])
            .prop_map(str::to_owned),
    ];
    let pairs = prop::collection::vec((name, value), 0..4);
    pairs.prop_map(|pairs| {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("&")
    })
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec![
        "host",
        "accept",
        "cookie",
        "x-listener",
        "referer",
        "if-none-match",
        "x-forwarded-for",
        "content-type",
    ]);
    let value = prop_oneof![
        "[ -~]{0,40}".prop_map(String::into_bytes),
        "listener=[0-9]{1,4}".prop_map(String::into_bytes),
        "[0-9]{1,4}".prop_map(String::into_bytes),
        "(text|application|\\*)/(html|json|xml|\\*)(;q=[0-9.]{0,6})?".prop_map(String::into_bytes),
        "(www|api|)\\.?[a-z:0-9\\[\\]]{0,12}".prop_map(String::into_bytes),
        prop::collection::vec(0x80u8.., 1..8),
    ];
    prop::collection::vec((name, value), 0..5)
}

#[test]
fn every_request_gets_an_answer_that_is_not_our_fault() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // The pool ends its connections on the runtime, also while this test unwinds.
    let _context = runtime.enter();
    let site = runtime.block_on(Site::start());
    let method = prop::sample::select(vec![
        Method::GET,
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::POST,
        Method::OPTIONS,
    ]);
    let body = prop_oneof![
        query().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40)
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 1_500,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let answered = runner.run(
        &(method, path(), query(), headers(), body),
        |(method, path, query, headers, body)| {
            let Ok(uri) = format!("{path}?{query}").parse::<Uri>() else {
                return Err(TestCaseError::reject("no address"));
            };
            let mut request = Request::builder().method(method.clone()).uri(uri);
            for (name, value) in headers {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    request = request.header(HeaderName::from_static(name), value);
                }
            }
            let request = request.body(Body::from(body)).unwrap();
            let shown = format!("{request:?}");
            let status = runtime.block_on(site.router.clone().oneshot(request)).unwrap().status();
            prop_assert!(!status.is_server_error(), "{status} for {shown}");
            Ok(())
        },
    );
    if let Err(error) = answered {
        panic!("{error}");
    }
}

//! What the tests of the parsers share.

use http::HeaderValue;
use proptest::prelude::*;

/// The lines of a field.
pub(super) fn lines(lines: &[&str]) -> Vec<HeaderValue> {
    lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap()).collect()
}

/// Any line that a client or an origin may send: half of them of bytes that mean something.
pub(super) fn any_line() -> impl Strategy<Value = HeaderValue> {
    let any = prop::collection::vec(any::<u8>(), 0..60);
    let meaning = "[a-z0-9 ,;=\"\\\\*?:@()/WT.\\-]{0,60}".prop_map(String::into_bytes);
    prop_oneof![any, meaning]
        .prop_filter_map("no value", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

/// A line made of pieces, in an order of chance.
pub(super) fn line_of(pieces: &'static [&'static str]) -> impl Strategy<Value = HeaderValue> {
    prop::collection::vec(prop::sample::select(pieces), 0..12).prop_map(|picked| {
        HeaderValue::from_bytes(picked.concat().as_bytes()).expect("pieces are visible text")
    })
}

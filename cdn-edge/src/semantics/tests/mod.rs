//! Each decision by the clauses of its RFC, in tables; then all of them by chance.
//!
//! A row that says no has a twin that says yes: the same messages without the line that forbids. A table whose
//! rows all said no would hold for a cache that stores nothing.

mod admitting;
mod aging;
mod answering;
mod chance;
mod failing;
mod looking;
mod updating;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::*;
use crate::field::date;

/// The wall clock when the tests begin: a Saturday in 2026.
const BASE: u64 = 1_796_083_200;

/// So many seconds after the beginning. The edge is a minute old by then.
fn after(seconds: u64) -> Now {
    Now { unix: BASE + seconds, tick: 60_000 + seconds * 1000 }
}

/// Fields, one in a line. `@60` is a date one minute after the beginning, `@-60` one before.
fn header(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a field has a colon");
        let value = match value.trim().strip_prefix('@') {
            Some(offset) => {
                date::format(BASE.saturating_add_signed(offset.parse().expect("seconds")))
            }
            None => HeaderValue::from_bytes(value.trim().as_bytes()).unwrap(),
        };
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    headers
}

fn rfc() -> Rules {
    Rules::of(Profile::Rfc)
}

fn secure() -> Rules {
    Rules::of(Profile::Secure)
}

fn get(request: &HeaderMap, rules: &Rules) -> Facts {
    Facts::of(&Method::GET, request, rules)
}

/// What becomes of the answer to a GET that took no time.
fn admitted(
    request: &[&str],
    status: u16,
    response: &[&str],
    rules: &Rules,
) -> Result<Admitted, Reason> {
    let (request, response) = (header(request), header(response));
    let status = StatusCode::from_u16(status).unwrap();
    let (facts, now) = (get(&request, rules), after(0));
    let exchange = Exchange { facts: &facts, request: &request, asked: now, now };
    match admit(&exchange, status, &response, rules) {
        Admission::Store(admitted) => Ok(*admitted),
        Admission::Refuse(reason) => Err(reason),
    }
}

/// A 200 that is stored by the letter of the RFC.
fn stored(response: &[&str]) -> Stored {
    admitted(&[], 200, response, &rfc()).expect("it may be stored").stored
}

fn valid(stored: &Stored) -> Candidate<'_> {
    Candidate { stored, purged: false }
}

/// What happens to a GET so many seconds later.
fn looked(candidates: &[Candidate<'_>], request: &[&str], seconds: u64, rules: &Rules) -> Lookup {
    let request = header(request);
    lookup(candidates, &get(&request, rules), &request, after(seconds), rules)
}

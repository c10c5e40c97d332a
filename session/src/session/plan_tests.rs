use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::UnixMillis;
use crate::error::StoreError;
use crate::record::{Device, Name, Record, Value};
use crate::session::state::Held;
use crate::token::{Keys, Tag};

const MINUTE: u64 = 60_000;

fn held() -> Held {
    let keys = Keys::new(1, &[7; 32]).unwrap();
    Held::new(keys.mint(0, Tag::default()).unwrap())
}

fn loaded(subject: Option<&str>, now: u64, moved: bool) -> Loaded {
    let record = Record {
        version: 1,
        created: UnixMillis(0),
        last_seen: UnixMillis(0),
        expires: UnixMillis(u64::MAX),
        absolute: UnixMillis(u64::MAX),
        subject: subject.map(Into::into),
        authenticated: None,
        renewed: UnixMillis(0),
        device: Device::default(),
        values: Arc::default(),
    };
    Loaded { record: Arc::new(record), now: UnixMillis(now), touched: false, moved }
}

fn away() -> SessionError {
    StoreError::Unavailable("away".into()).into()
}

/// A session in each place that there is.
fn places() -> [Place; 7] {
    [
        Place::Unread,
        Place::Token(held()),
        Place::Here(held(), loaded(None, 0, false)),
        Place::Copy(held(), loaded(None, 0, false), away()),
        Place::Nowhere,
        Place::Gone,
        Place::Away(held(), away()),
    ]
}

fn state(place: Place, wishes: &[(&str, Option<u8>)]) -> State {
    let mut state = State { place, ..State::default() };
    for (name, to) in wishes {
        let to = to.map(|to| Value::of(&to).unwrap());
        state.log.wish_blindly(Name::new(name).unwrap(), to);
    }
    state
}

#[test]
fn without_a_wish_there_is_nothing_to_do() {
    for place in places() {
        assert_eq!(commit(&state(place, &[]), &Expiry::default()), Commit::Nothing);
    }
}

#[test]
fn only_where_there_is_no_session_one_is_created() {
    for place in places() {
        let shown = format!("{place:?}");
        let is_nowhere = matches!(place, Place::Nowhere);
        let plan = commit(&state(place, &[("a", Some(1))]), &Expiry::default());
        assert_eq!(plan == Commit::Create, is_nowhere, "{shown}");
    }
    let removal = state(Place::Nowhere, &[("a", None)]);
    assert_eq!(commit(&removal, &Expiry::default()), Commit::Nothing, "there is nothing to remove");
}

#[test]
fn an_id_is_renewed_when_it_is_old_and_a_cookie_can_be_sent() {
    let expiry = Expiry::default().renewal(Duration::from_secs(300));
    let at = |now, moved| state(Place::Here(held(), loaded(None, now, moved)), &[]);
    assert_eq!(commit(&at(5 * MINUTE - 1, false), &expiry), Commit::Nothing);
    assert_eq!(commit(&at(5 * MINUTE, false), &expiry), Commit::Renew);
    assert_eq!(commit(&at(5 * MINUTE, false), &Expiry::default()), Commit::Nothing);
    let late = State { closed: true, ..at(5 * MINUTE, false) };
    assert_eq!(commit(&late, &expiry), Commit::Nothing);
    // Its new id is on the way, or was lost.
    assert_eq!(commit(&at(9_999, true), &expiry), Commit::Nothing);
    assert_eq!(commit(&at(10_000, true), &expiry), Commit::Renew);
}

#[test]
fn a_login_keeps_the_values_of_a_stranger_and_of_the_same_subject() {
    let over = |subject| login(&state(Place::Here(held(), loaded(subject, 0, false)), &[]), "ada");
    assert_eq!(over(None).unwrap(), Start::Rotate { keep_values: true });
    assert_eq!(over(Some("ada")).unwrap(), Start::Rotate { keep_values: true });
    assert_eq!(over(Some("eve")).unwrap(), Start::Rotate { keep_values: false });
    assert_eq!(login(&state(Place::Nowhere, &[]), "ada").unwrap(), Start::Create);
    assert_eq!(login(&state(Place::Gone, &[]), "ada").unwrap(), Start::Create);
    for place in [Place::Away(held(), away()), Place::Copy(held(), loaded(None, 0, false), away())]
    {
        assert!(login(&state(place, &[]), "ada").is_err_and(|error| error.is_outage()));
    }
}

proptest! {
    #[test]
    fn a_response_that_promises_nothing_is_never_replaced(code in 100u16..1000) {
        let status = StatusCode::from_u16(code).unwrap();
        let errors = [away(), SessionError::Full, SessionError::Conflict, SessionError::TokenTaken];
        for error in errors {
            let replaced = verdict(status, &error) != Verdict::Pass;
            prop_assert_eq!(replaced, !status.is_server_error());
        }
        prop_assert_eq!(verdict(status, &SessionError::Gone), Verdict::Pass);
        prop_assert_eq!(keeps_values(status, false), !status.is_server_error());
        prop_assert!(keeps_values(status, true));
    }
}

//! What the answers mean.

use ::redis::Value;
use bytes::Bytes;

use super::call;
use crate::store::{Fetched, Lease, Leased};

/// The value without its epoch, if it is of this one.
fn current(value: Option<Bytes>, epoch: &[u8]) -> Option<Bytes> {
    let value = value?;
    let (of, _) = value.split_at_checked(8)?;
    (of == epoch).then(|| value.slice(8..))
}

pub(super) fn fetched(answers: Vec<Value>) -> Result<(Vec<Option<Bytes>>, u64), String> {
    let mut answers = answers.into_iter();
    let values = call::list(answers.next().ok_or_else(call::missing)?)?.unwrap_or_default();
    let now = call::millis(answers.next().ok_or_else(call::missing)?)?;
    let mut values = values.into_iter().map(call::bytes).collect::<Result<Vec<_>, _>>()?;
    let epoch = values.pop().flatten().unwrap_or_default();
    Ok((values.into_iter().map(|value| current(value, &epoch)).collect(), now))
}

pub(super) fn epoch(value: Value) -> Result<u64, String> {
    let epoch = call::bytes(value)?.unwrap_or_default();
    Ok(u64::from_be_bytes(epoch.as_ref().try_into().map_err(|_| "not an epoch")?))
}

pub(super) fn leased(
    value: Value,
    token: u64,
    now: u64,
    sequences: &[Option<u64>],
) -> Result<Leased, String> {
    let mut parts = call::list(value)?.unwrap_or_default().into_iter();
    let kind = call::bytes(parts.next().ok_or_else(call::missing)?)?.unwrap_or_default();
    match &kind[..] {
        b"busy" => Ok(Leased::Busy),
        b"won" => {
            let epoch = epoch(parts.next().ok_or_else(call::missing)?)?;
            Ok(Leased::Won(Lease { token, now, epoch, sequences: sequences.into() }))
        }
        b"found" => {
            let value = call::bytes(parts.next().ok_or_else(call::missing)?)?.unwrap_or_default();
            let value = Some(value.slice(value.len().min(8)..));
            Ok(Leased::Found(Fetched { value, now }))
        }
        _ => Err("not an answer about a lease".into()),
    }
}

/// Versions of tags, after the last and the first number of the count that is on.
pub(super) fn versions(answers: Vec<Value>) -> Result<Vec<Option<u64>>, String> {
    let list = call::list(answers.into_iter().next().ok_or_else(call::missing)?)?;
    let mut numbers = list.unwrap_or_default().into_iter().map(call::number);
    let now = numbers.next().ok_or_else(call::missing)??;
    let first = numbers.next().ok_or_else(call::missing)??;
    let (Some(now), Some(first)) = (now, first) else {
        return numbers.map(|number| number.map(|_| None)).collect();
    };
    let counted = |version: &u64| (first..=now).contains(version);
    numbers.map(|number| Ok(number?.filter(counted))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::call::tests::value;
    use super::*;

    fn text(bytes: &[u8]) -> Value {
        Value::BulkString(bytes.to_vec())
    }

    proptest! {
        #[test]
        fn no_answer_makes_reading_it_panic(answers in prop::collection::vec(value(), 0..4)) {
            let _ = (fetched(answers.clone()), versions(answers.clone()));
            for answer in answers {
                let _ = (epoch(answer.clone()), leased(answer, 7, 7, &[]));
            }
        }
    }

    #[test]
    fn a_value_of_another_epoch_or_of_none_is_not_there() {
        let time = Value::Array(vec![text(b"1"), text(b"0")]);
        let read = |epoch: Value| {
            let values = [&b"12345678new"[..], b"12345678", b"87654321old", b"1234567", b""];
            let mut values: Vec<Value> = values.into_iter().map(text).collect();
            values.push(epoch);
            fetched(vec![Value::Array(values), time.clone()]).unwrap()
        };
        let some = |text: &'static str| Some(Bytes::from(text));
        assert_eq!(read(text(b"12345678")), (vec![some("new"), some(""), None, None, None], 1_000));
        for epoch in [Value::Nil, text(b""), text(b"1234567")] {
            assert_eq!(read(epoch), (vec![None; 5], 1_000));
        }
    }

    #[test]
    fn a_version_of_another_count_is_none() {
        let numbers = |numbers: &[&str]| {
            let list = numbers.iter().map(|number| text(number.as_bytes())).collect();
            versions(vec![Value::Array(list)])
        };
        let read = numbers(&["20", "10", "9", "10", "20", "21", "x"]);
        assert_eq!(read, Ok(vec![None, Some(10), Some(20), None, None]));
        assert_eq!(numbers(&["x", "10", "15"]), Ok(vec![None]));
        assert_eq!(numbers(&["20", "", "15"]), Ok(vec![None]));
    }
}

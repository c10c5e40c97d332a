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

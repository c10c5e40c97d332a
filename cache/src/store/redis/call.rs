//! What is sent to a node, and what comes back.

use ::redis::{Cmd, Pipeline, Value};
use bytes::Bytes;

use super::script::Script;

/// One command of a batch.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// The server's clock.
    Time,
    /// A command with its arguments.
    Plain(&'static str, Vec<Bytes>),
    /// A script with its keys and arguments.
    Script(Script, Vec<Bytes>, Vec<Bytes>),
}

/// The names under which a node knows the scripts.
pub(super) type Hashes = Vec<String>;

impl Call {
    fn command(&self, hashes: &Hashes, whole: bool) -> Cmd {
        match self {
            Self::Time => ::redis::cmd("TIME"),
            Self::Plain(name, args) => with(::redis::cmd(name), args),
            Self::Script(script, keys, args) => {
                let mut command = match hashes.get(script.index()) {
                    Some(hash) if !whole => {
                        let mut command = ::redis::cmd("EVALSHA");
                        command.arg(hash);
                        command
                    }
                    _ => {
                        let mut command = ::redis::cmd("EVAL");
                        command.arg(script.source());
                        command
                    }
                };
                command.arg(keys.len());
                with(with(command, keys), args)
            }
        }
    }
}

fn with(mut command: Cmd, args: &[Bytes]) -> Cmd {
    for arg in args {
        command.arg(&arg[..]);
    }
    command
}

/// The commands in one go, scripts by their hashes.
pub(super) fn by_hash(calls: &[Call], hashes: &Hashes) -> Pipeline {
    pipeline(calls.iter().map(|call| call.command(hashes, false)))
}

/// These commands once more, scripts in full: the node has forgotten them.
pub(super) fn in_full(calls: &[Call], which: &[usize], hashes: &Hashes) -> Pipeline {
    let again = which.iter().filter_map(|index| calls.get(*index));
    pipeline(again.map(|call| call.command(hashes, true)))
}

fn pipeline(commands: impl Iterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

/// Which answers say that the script is not known.
pub(super) fn forgotten(answers: &[Value]) -> Vec<usize> {
    let is =
        |value: &Value| matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT");
    answers.iter().enumerate().filter(|(_, value)| is(value)).map(|(index, _)| index).collect()
}

/// The answer, or what the server says is wrong. Reasons that are not the server's begin with `not`.
pub(super) fn answer(value: Value) -> Result<Value, String> {
    match value {
        // As the server said it: its codes are what people look for.
        Value::ServerError(error) => {
            Err(format!("{} {}", error.code(), error.details().unwrap_or_default()))
        }
        Value::Attribute { data, .. } => answer(*data),
        value => Ok(value),
    }
}

/// Text or bytes; `None` for nil.
pub(super) fn bytes(value: Value) -> Result<Option<Bytes>, String> {
    match answer(value)? {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(Some(text.into())),
        other => Err(unexpected("text", &other)),
    }
}

/// A list; `None` for nil.
pub(super) fn list(value: Value) -> Result<Option<Vec<Value>>, String> {
    match answer(value)? {
        Value::Nil => Ok(None),
        Value::Array(items) => Ok(Some(items)),
        other => Err(unexpected("a list", &other)),
    }
}

pub(super) fn integer(value: Value) -> Result<i64, String> {
    match answer(value)? {
        Value::Int(number) => Ok(number),
        other => Err(unexpected("a number", &other)),
    }
}

/// Numbers are sent as text, see [`script`](super::script). `None` for nil, or for what is no number.
pub(super) fn number(value: Value) -> Result<Option<u64>, String> {
    Ok(bytes(value)?.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()))
}

/// What `TIME` says, in milliseconds.
pub(super) fn millis(value: Value) -> Result<u64, String> {
    let parts = list(value)?.unwrap_or_default();
    let mut parts = parts.into_iter().map(number);
    match (parts.next().transpose()?.flatten(), parts.next().transpose()?.flatten()) {
        (Some(seconds), Some(micros)) => {
            Ok(seconds.saturating_mul(1_000).saturating_add(micros / 1_000))
        }
        _ => Err("not a time".into()),
    }
}

pub(super) fn missing() -> String {
    "not as many answers as questions".into()
}

fn unexpected(wanted: &str, got: &Value) -> String {
    let kind = match got {
        Value::Nil => "nil",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::VerbatimString { .. } => "text",
        Value::Array(_) => "a list",
        Value::Okay => "OK",
        _ => "something else",
    };
    format!("not {wanted} but {kind}")
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            Just(Value::Okay),
            any::<i64>().prop_map(Value::Int),
            any::<Vec<u8>>().prop_map(Value::BulkString),
            "[0-9]{0,30}".prop_map(|text| Value::BulkString(text.into_bytes())),
            ".{0,8}".prop_map(Value::SimpleString),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(Value::Array)
        })
    }

    proptest! {
        #[test]
        fn no_answer_makes_reading_it_panic(value in value()) {
            let _ = (bytes(value.clone()), list(value.clone()), integer(value.clone()));
            let _ = (number(value.clone()), millis(value.clone()), forgotten(&[value]));
        }
    }

    #[test]
    fn a_time_is_read_in_milliseconds() {
        let text = |text: &str| Value::BulkString(text.into());
        let time = Value::Array(vec![text("1700000000"), text("123999")]);
        assert_eq!(millis(time), Ok(1_700_000_000_123));
        let huge = Value::Array(vec![text("18446744073709551615"), text("1")]);
        assert_eq!(millis(huge), Ok(u64::MAX));
        assert!(millis(Value::Array(vec![text("1")])).is_err());
    }
}

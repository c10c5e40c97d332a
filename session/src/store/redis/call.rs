//! A script with what it is given.

use std::borrow::Cow;

use ::redis::Cmd;

use super::script::Script;

#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    script: Script,
    keys: Vec<String>,
    args: Vec<Cow<'a, [u8]>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(script: Script, keys: Vec<String>) -> Self {
        Self { script, keys, args: Vec::with_capacity(8) }
    }

    pub(super) fn arg(mut self, arg: impl Arg<'a>) -> Self {
        self.args.push(arg.text());
        self
    }

    pub(super) fn args(mut self, args: impl IntoIterator<Item = impl Arg<'a>>) -> Self {
        self.args.extend(args.into_iter().map(Arg::text));
        self
    }

    /// By the name under which a server knows the script that it has seen.
    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", self.script.named().1)
    }

    pub(super) fn in_full(&self) -> Cmd {
        self.command("EVAL", self.script.named().0)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = ::redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for arg in &self.args {
            command.arg(&arg[..]);
        }
        command
    }
}

/// What a script can be given: text, bytes, a number, or nothing, which is the empty text.
pub(super) trait Arg<'a> {
    fn text(self) -> Cow<'a, [u8]>;
}

impl<'a> Arg<'a> for &'a str {
    fn text(self) -> Cow<'a, [u8]> {
        self.as_bytes().into()
    }
}

impl<'a> Arg<'a> for String {
    fn text(self) -> Cow<'a, [u8]> {
        self.into_bytes().into()
    }
}

impl<'a> Arg<'a> for Cow<'a, [u8]> {
    fn text(self) -> Self {
        self
    }
}

impl<'a> Arg<'a> for Vec<u8> {
    fn text(self) -> Cow<'a, [u8]> {
        self.into()
    }
}

impl<'a> Arg<'a> for u64 {
    fn text(self) -> Cow<'a, [u8]> {
        self.to_string().into_bytes().into()
    }
}

impl<'a> Arg<'a> for usize {
    fn text(self) -> Cow<'a, [u8]> {
        self.to_string().into_bytes().into()
    }
}

impl<'a, T: Arg<'a>> Arg<'a> for Option<T> {
    fn text(self) -> Cow<'a, [u8]> {
        self.map_or(Cow::Borrowed(&[]), T::text)
    }
}

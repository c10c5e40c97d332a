//! Keys of any shape, for tests that must not know them.

use proptest::prelude::*;

use crate::key::{CacheKey, KeyBuf};

/// Any key, as a tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Integer(i128),
    Bool(bool),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    Option(Option<Box<Tree>>),
    List(Vec<Tree>),
    /// A tuple or struct: none, or several. One is what it wraps.
    Group(Vec<Tree>),
}

impl CacheKey for Tree {
    fn encode(&self, key: &mut KeyBuf) {
        match self {
            Self::Integer(integer) => integer.encode(key),
            Self::Bool(word) => word.encode(key),
            Self::Char(letter) => letter.encode(key),
            Self::Text(text) => text.encode(key),
            Self::Bytes(bytes) => bytes.encode(key),
            Self::Option(inner) => inner.encode(key),
            Self::List(items) => items.encode(key),
            Self::Group(parts) => {
                for part in parts {
                    key.part(part);
                }
            }
        }
    }
}

/// What people write instead.
pub(super) fn joined(tree: &Tree) -> String {
    match tree {
        Tree::Integer(integer) => integer.to_string(),
        Tree::Bool(word) => word.to_string(),
        Tree::Char(letter) => letter.to_string(),
        Tree::Text(text) => text.clone(),
        Tree::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Tree::Option(inner) => inner.as_deref().map(joined).unwrap_or_default(),
        Tree::List(items) | Tree::Group(items) => {
            items.iter().map(joined).collect::<Vec<_>>().join(":")
        }
    }
}

/// Reads an encoding back: what can be read back is nobody else's.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn root(bytes: &'a [u8]) -> Tree {
        let mut reader = Self(bytes);
        let mut parts = Vec::new();
        while !reader.0.is_empty() {
            parts.push(reader.part());
        }
        if parts.len() == 1 { parts.remove(0) } else { Tree::Group(parts) }
    }

    fn part(&mut self) -> Tree {
        match self.byte() {
            b'i' => Tree::Integer(self.number()),
            b't' => Tree::Bool(true),
            b'f' => Tree::Bool(false),
            b'c' => Tree::Char(str::from_utf8(self.run()).unwrap().chars().next().unwrap()),
            b's' => Tree::Text(str::from_utf8(self.run()).unwrap().into()),
            b'b' => Tree::Bytes(self.run().into()),
            b'n' => Tree::Option(None),
            b'o' => Tree::Option(Some(Box::new(self.part()))),
            b'[' => Tree::List(self.until(b']')),
            b'(' => Tree::Group(self.until(b')')),
            other => panic!("no part begins with {other}"),
        }
    }

    fn until(&mut self, end: u8) -> Vec<Tree> {
        let mut parts = Vec::new();
        while self.0.first() != Some(&end) {
            parts.push(self.part());
        }
        self.byte();
        parts
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        *first
    }

    fn number<N: std::str::FromStr<Err: std::fmt::Debug>>(&mut self) -> N {
        let comma = self.0.iter().position(|byte| *byte == b',').unwrap();
        let digits = str::from_utf8(&self.0[..comma]).unwrap();
        self.0 = &self.0[comma + 1..];
        digits.parse().unwrap()
    }

    fn run(&mut self) -> &'a [u8] {
        let length: usize = self.number();
        let (run, rest) = self.0.split_at(length);
        self.0 = rest;
        run
    }
}

pub(super) fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        any::<i128>().prop_map(Tree::Integer),
        (-2..3_i128).prop_map(Tree::Integer),
        any::<bool>().prop_map(Tree::Bool),
        any::<char>().prop_map(Tree::Char),
        any::<String>().prop_map(Tree::Text),
        "[:,()s1]{0,4}".prop_map(Tree::Text),
        any::<Vec<u8>>().prop_map(Tree::Bytes),
        Just(Tree::Option(None)),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Option(Some(Box::new(tree)))),
            prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::List),
            prop::collection::vec(inner, 0..5).prop_map(|mut parts| match parts.len() {
                1 => parts.remove(0),
                _ => Tree::Group(parts),
            }),
        ]
    })
}

/// Small keys from few letters, so that a careless encoding must make some of them meet.
pub(super) fn small(random: &mut fastrand::Rng, depth: usize) -> Tree {
    let mut letters = |most| {
        (0..random.usize(..=most)).map(|_| char::from(*random.choice(b":,s1(").unwrap())).collect()
    };
    let word: String = letters(3);
    match random.usize(..if depth == 0 { 6 } else { 9 }) {
        0 => Tree::Integer(random.i128(-2..12)),
        1 => Tree::Bool(random.bool()),
        2 => Tree::Char(*random.choice(&[':', ',', '1']).unwrap()),
        3 => Tree::Text(word),
        4 => Tree::Bytes(word.into_bytes()),
        5 => Tree::Option(None),
        6 => Tree::Option(Some(Box::new(small(random, depth - 1)))),
        kind => {
            let mut parts: Vec<_> =
                (0..random.usize(..4)).map(|_| small(random, depth - 1)).collect();
            match (kind, parts.len()) {
                (7, _) => Tree::List(parts),
                (_, 1) => parts.remove(0),
                _ => Tree::Group(parts),
            }
        }
    }
}

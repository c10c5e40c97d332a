use http::header::{HeaderMap, HeaderName};
use super::Rules;

/// The request fields that a response was selected by, and their normal form (4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selecting {
    names: Box<[HeaderName]>,
    values: Box<[u8]>,
}

impl Selecting {
    /// What a request says in these fields.
    #[must_use]
    pub fn of(names: &[HeaderName], request: &HeaderMap, rules: &Rules) -> Self {
        let mut values = Vec::new();
        write(names, request, rules, &mut values);
        Self { names: names.into(), values: values.into() }
    }

    /// The fields.
    #[must_use]
    pub fn names(&self) -> &[HeaderName] {
        &self.names
    }

    /// Whether a request says the same in them.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap, rules: &Rules) -> bool {
        let mut values = Vec::new();
        write(&self.names, request, rules, &mut values);
        *values == *self.values
    }

    /// Bytes that it takes.
    pub(crate) fn weight(&self) -> u64 {
        (size_of::<Self>() + self.names.len() * size_of::<HeaderName>() + self.values.len()) as u64
    }
}

/// The normal forms one after another: each begins with a byte that no value holds.
pub(crate) fn write(names: &[HeaderName], request: &HeaderMap, rules: &Rules, out: &mut Vec<u8>) {
    for name in names {
        rules.normaliser.selecting(name, request, out);
    }
}

use http::HeaderValue;
use http::header::{self, HeaderMap, HeaderName};

use super::Rules;
use crate::field::vary::{Form, content_language_matches};

/// The request fields that a response was selected by, and their normal form (4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selecting {
    names: Box<[HeaderName]>,
    values: Box<[u8]>,
    language: Option<Box<Language>>,
}

/// What lets a response answer other values of `Accept-Language` than the one it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Language {
    content: HeaderValue,
    /// The normal form of all other fields.
    others: Box<[u8]>,
}

impl Selecting {
    /// What a request says in these fields.
    #[must_use]
    pub fn of(
        names: &[HeaderName],
        request: &HeaderMap,
        response: &HeaderMap,
        rules: &Rules,
    ) -> Self {
        let form = |names: &[HeaderName]| {
            let mut values = Form::new();
            write(names, request, rules, &mut values);
            Box::from(&values[..])
        };
        let content = response.get(header::CONTENT_LANGUAGE);
        let by_language = rules.by_language && names.contains(&header::ACCEPT_LANGUAGE);
        let language = content.filter(|_| by_language).and_then(|content| {
            // A copy of its own: a slice would keep the buffer that the response was read into.
            let content = HeaderValue::from_bytes(content.as_bytes()).ok()?;
            Some(Box::new(Language { content, others: form(&others(names)) }))
        });
        Self { names: names.into(), values: form(names), language }
    }

    /// The fields.
    #[must_use]
    pub fn names(&self) -> &[HeaderName] {
        &self.names
    }

    /// Whether a request says the same in them.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap, rules: &Rules) -> bool {
        let mut values = Form::new();
        write(&self.names, request, rules, &mut values);
        if *values == *self.values {
            return true;
        }
        self.language.as_ref().is_some_and(|language| {
            values.clear();
            write(&others(&self.names), request, rules, &mut values);
            *values == *language.others
                && content_language_matches(
                    request.get_all(header::ACCEPT_LANGUAGE),
                    Some(&language.content),
                )
        })
    }

    /// Bytes that it takes.
    pub(crate) fn weight(&self) -> u64 {
        let language = self
            .language
            .as_ref()
            .map_or(0, |it| size_of::<Language>() + it.others.len() + it.content.len());
        (size_of::<Self>()
            + self.names.len() * size_of::<HeaderName>()
            + self.values.len()
            + language) as u64
    }
}

fn others(names: &[HeaderName]) -> Vec<HeaderName> {
    names.iter().filter(|name| **name != header::ACCEPT_LANGUAGE).cloned().collect()
}

/// The normal forms one after another: each begins with a byte that no value holds.
pub(crate) fn write(names: &[HeaderName], request: &HeaderMap, rules: &Rules, out: &mut Form) {
    for name in names {
        rules.normaliser.selecting(name, request, out);
    }
}

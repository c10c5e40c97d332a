use smallvec::SmallVec;

/// What of a query is part of the key.
///
/// Leaving parameters out of the key is right only if the origin ignores them too: the request goes on with its
/// whole query. `utm_source` and its kin are the usual case.
#[derive(Clone, Debug)]
pub struct Query {
    only: Option<Vec<String>>,
    without: Vec<String>,
    sorted: bool,
}

impl Query {
    /// All of it, in its order.
    #[must_use]
    pub fn keep() -> Self {
        Self { only: None, without: Vec::new(), sorted: false }
    }

    /// Nothing of it: for assets whose query only defeats caches.
    #[must_use]
    pub fn ignore() -> Self {
        Self { only: Some(Vec::new()), ..Self::keep() }
    }

    /// Only these parameters.
    #[must_use]
    pub fn only<I: Into<String>>(names: impl IntoIterator<Item = I>) -> Self {
        Self { only: Some(names.into_iter().map(Into::into).collect()), ..Self::keep() }
    }

    /// All but these parameters; a trailing `*` stands for any rest: `utm_*`.
    #[must_use]
    pub fn without<I: Into<String>>(names: impl IntoIterator<Item = I>) -> Self {
        Self { without: names.into_iter().map(Into::into).collect(), ..Self::keep() }
    }

    /// In the order of the names: `?a=1&b=2` and `?b=2&a=1` are one key.
    ///
    /// Parameters of one name keep their order, which forms and frameworks may read.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.sorted = true;
        self
    }

    pub(crate) fn write(&self, query: &str, out: &mut SmallVec<[u8; 160]>) {
        if self.only.is_none() && self.without.is_empty() && !self.sorted {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
            return;
        }
        let mut kept: SmallVec<[&str; 8]> =
            query.split('&').filter(|pair| self.keeps(name(pair))).collect();
        if self.sorted {
            kept.sort_by_key(|pair| name(pair));
        }
        for (at, pair) in kept.iter().enumerate() {
            out.push(if at == 0 { b'?' } else { b'&' });
            out.extend_from_slice(pair.as_bytes());
        }
    }

    fn keeps(&self, name: &str) -> bool {
        let listed =
            self.only.as_ref().is_none_or(|only| only.iter().any(|pattern| pattern == name));
        listed && !self.without.iter().any(|pattern| fits(pattern, name))
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn name(pair: &str) -> &str {
    pair.split('=').next().unwrap_or(pair)
}

/// The value of a parameter, if it is there once.
pub(super) fn value<'a>(query: &'a str, wanted: &str) -> Option<&'a str> {
    let mut values = query.split('&').filter(|pair| name(pair) == wanted);
    let pair = values.next()?;
    values.next().is_none().then(|| pair.split_once('=').map_or("", |(_, value)| value))
}

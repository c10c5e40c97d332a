//! What the fields that are structured (RFC 9651) have in common. Such a field is right as a whole
//! or not there: one error anywhere, in a member that nobody knows even, and nothing of it counts.

use std::{borrow::Cow, convert::Infallible};

use http::HeaderValue;
use sfv::{
    BareItemFromInput, KeyRef, Parser, StringRef,
    visitor::{
        DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor,
        ParameterVisitor,
    },
};

/// A member of a list or a dictionary, without its parameters.
#[derive(Debug, PartialEq)]
pub(super) enum Member<'a> {
    Item(BareItemFromInput<'a>),
    /// An inner list of strings.
    Strings(Vec<Cow<'a, StringRef>>),
    /// An inner list with something else in it.
    Mixed,
}

/// All lines as one. `None` if there is nothing in them.
pub(super) fn whole<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
) -> Option<Cow<'a, [u8]>> {
    let mut lines = values.into_iter().map(HeaderValue::as_bytes).filter(|line| !line.is_empty());
    let mut whole = Cow::Borrowed(lines.next()?);
    for line in lines {
        let text = whole.to_mut();
        text.extend_from_slice(b", ");
        text.extend_from_slice(line);
    }
    Some(whole)
}

/// The members of a dictionary that have one of these names, each in the place of its name. `None`
/// if it is no dictionary.
pub(super) fn dictionary<'a, const N: usize>(
    text: &'a [u8],
    names: [&'static str; N],
) -> Option<Members<'a, N>> {
    let members = Members { names, found: [const { None }; N], unknown: false };
    Parser::new(text).parse_dictionary_with_visitor(members).ok()
}

/// Calls back for every member of a list. `None` if it is no list, which may be known only after
/// some calls.
pub(super) fn list<'a>(text: &'a [u8], each: impl FnMut(Member<'a>)) -> Option<()> {
    Parser::new(text).parse_list_with_visitor(Each { member: None, each }).ok()
}

/// See [`dictionary`].
pub(super) struct Members<'a, const N: usize> {
    names: [&'static str; N],
    pub(super) found: [Option<Member<'a>>; N],
    /// Whether there are members with other names.
    pub(super) unknown: bool,
}

impl<'a, const N: usize> DictionaryVisitor<'a> for Members<'a, N> {
    type Out = Self;
    type Error = Infallible;

    fn entry(&mut self, key: &'a KeyRef) -> Result<impl EntryVisitor<'a>, Infallible> {
        let place = self.names.iter().position(|name| *name == key.as_str());
        self.unknown |= place.is_none();
        // Of several members with one name the last counts: it takes the place again.
        Ok(place.and_then(|place| self.found.get_mut(place)).map(Slot))
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

struct Each<'a, F: FnMut(Member<'a>)> {
    /// The one before, which is whole when the next one begins.
    member: Option<Member<'a>>,
    each: F,
}

impl<'a, F: FnMut(Member<'a>)> ListVisitor<'a> for Each<'a, F> {
    type Out = ();
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'a>, Infallible> {
        if let Some(before) = self.member.take() {
            (self.each)(before);
        }
        Ok(Slot(&mut self.member))
    }

    fn finish(mut self) -> Result<(), Infallible> {
        if let Some(last) = self.member.take() {
            (self.each)(last);
        }
        Ok(())
    }
}

struct Slot<'s, 'a>(&'s mut Option<Member<'a>>);

impl<'a> EntryVisitor<'a> for Slot<'_, 'a> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'a>, Infallible> {
        Ok(|item| {
            *self.0 = Some(Member::Item(item));
            Ok::<_, Infallible>(Ignored)
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'a>, Infallible> {
        Ok(Inner(self.0.insert(Member::Strings(Vec::new()))))
    }
}

struct Inner<'s, 'a>(&'s mut Member<'a>);

impl<'a> InnerListVisitor<'a> for Inner<'_, 'a> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'a>, Infallible> {
        Ok(|item| {
            match (&mut *self.0, item) {
                (Member::Strings(strings), BareItemFromInput::String(string)) => {
                    strings.push(string);
                }
                (member, _) => *member = Member::Mixed,
            }
            Ok::<_, Infallible>(Ignored)
        })
    }

    fn finish(self) -> Result<impl ParameterVisitor<'a>, Infallible> {
        Ok(Ignored)
    }
}

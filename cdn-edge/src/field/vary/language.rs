use std::borrow::Cow;

use http::HeaderValue;
use smallvec::SmallVec;

use super::Form;
use super::quality::{MOST, weighted};
use crate::field::list::{elements, trim};

/// How many languages are sorted. A request with more is compared as it is.
const MOST_LANGUAGES: usize = 32;

type Languages<'a> = SmallVec<[(Cow<'a, [u8]>, u16); 8]>;

/// Appends the normal form of `Accept-Language`: lower case, most wanted first, each once. Writes
/// nothing and says so if an element cannot be read.
pub(super) fn write<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
    order_matters: bool,
    out: &mut Form,
) -> bool {
    let Some(mut languages) = read(values) else { return false };
    if order_matters {
        languages.sort_by(|(_, one), (_, other)| other.cmp(one));
    } else {
        languages.sort_unstable_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
        languages.dedup();
    }
    for (at, (name, weight)) in languages.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        if *weight < MOST {
            out.extend_from_slice(b";q=");
            out.extend_from_slice(itoa::Buffer::new().format(*weight).as_bytes());
        }
    }
    true
}

/// Whether a response in this language is what a request wants most: exactly one language has the
/// highest weight, and it is the only one in `Content-Language`.
///
/// Such a response can be reused for a request whose `Accept-Language` is not that of the request
/// it was made for: whatever else the origin has, it has what this client asks for first.
pub fn content_language_matches<'a>(
    accept_language: impl IntoIterator<Item = &'a HeaderValue>,
    content_language: impl IntoIterator<Item = &'a HeaderValue>,
) -> bool {
    let mut content = elements(content_language);
    let (Some(content), None) = (content.next(), content.next()) else { return false };
    let Some(languages) = read(accept_language) else { return false };
    let Some(highest) = languages.iter().map(|(_, weight)| *weight).max() else { return false };
    let mut wanted = languages.iter().filter(|(_, weight)| *weight == highest);
    let (Some((wanted, _)), None) = (wanted.next(), wanted.next()) else { return false };
    highest > 0 && **wanted != *b"*" && wanted.eq_ignore_ascii_case(trim(content))
}

fn read<'a>(values: impl IntoIterator<Item = &'a HeaderValue>) -> Option<Languages<'a>> {
    let mut languages = Languages::new();
    for element in elements(values) {
        let (name, weight) = weighted(element)?;
        if languages.len() == MOST_LANGUAGES {
            return None;
        }
        let upper = name.iter().any(u8::is_ascii_uppercase);
        let name = if upper { name.to_ascii_lowercase().into() } else { name.into() };
        languages.push((name, weight));
    }
    Some(languages)
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT_LANGUAGE;

    use super::*;
    use crate::field::{
        testing::lines,
        vary::{Normaliser, tests::form},
    };

    fn normal(text: &[&str]) -> String {
        form(&ACCEPT_LANGUAGE, text, &Normaliser::new())
    }

    #[test]
    fn order_among_equals_case_space_and_lines_do_not_matter() {
        let wanted = normal(&["en, de"]);
        for same in
            [&["de, en"][..], &["eN, De"], &[" en ,   de"], &["de", "en;q=1.0"], &["en,de,EN"]]
        {
            assert_eq!(normal(same), wanted, "{same:?}");
        }
        for other in [
            &["en"][..],
            &["en, de;q=0.9"],
            &["de, en;q=0.9"],
            &["en, de, fr"],
            &["en-GB, de"],
            &[""],
        ] {
            assert_ne!(normal(other), wanted, "{other:?}");
        }
        assert_eq!(normal(&["fr;q=0.5, de;q=0.50"]), normal(&["DE;q=0.500,fr;q=0.5"]));
        assert_ne!(normal(&["fr;q=0.5, de;q=0.6"]), normal(&["fr;q=0.6, de;q=0.5"]));
    }

    #[test]
    fn order_among_equals_matters_if_told_so() {
        let normaliser = Normaliser::new().language_order(true);
        let normal = |text| form(&ACCEPT_LANGUAGE, text, &normaliser);
        assert_ne!(normal(&["en, de"]), normal(&["de, en"]));
        assert_eq!(normal(&["EN,de"]), normal(&["en", "de"]));
        assert_eq!(normal(&["en;q=0.5, de"]), normal(&["de, en;q=0.5"]));
    }

    #[test]
    fn what_cannot_be_read_is_compared_as_it_is() {
        assert_ne!(normal(&["en;x=1, de"]), normal(&["de, en;x=1"]));
        assert_eq!(normal(&["en;x=1, de"]), normal(&["en;x=1,de"]));
        let many = |rev: bool| {
            let mut names: Vec<_> = (0..40).map(|n| format!("l{n}")).collect();
            if rev {
                names.reverse();
            }
            names.join(",")
        };
        assert_ne!(normal(&[&many(false)]), normal(&[&many(true)]));
    }

    #[test]
    fn a_response_in_the_language_that_is_wanted_most_will_do() {
        let will_do = |accept: &str, content: &str| {
            content_language_matches(&lines(&[accept]), &lines(&[content]))
        };
        assert!(will_do("fr;q=0.5, de;q=1.0", "de"));
        assert!(will_do("DE", " de "));
        for (accept, content) in [
            ("fr, de", "de"),
            ("de, fr", "de"),
            ("fr, de;q=0.9", "de"),
            ("de", "de-AT"),
            ("de-AT", "de"),
            ("de", "de, fr"),
            ("de;q=0", "de"),
            ("*", "*"),
            ("de;x=y", "de"),
            ("", "de"),
            ("de", ""),
        ] {
            assert!(!will_do(accept, content), "{accept:?} {content:?}");
        }
    }
}

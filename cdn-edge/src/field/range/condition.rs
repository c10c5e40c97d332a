use http::HeaderValue;

use crate::field::{date, etag::EntityTag, list::trim};

/// How many seconds after its `Last-Modified` a response must have been made for that date to be
/// a strong validator (RFC 9110 section 8.8.2.2). The RFC says one if both are by the same clock;
/// the minute is for files that lie on another machine than the server that sends them.
pub const STRONG_AFTER: u64 = 60;

/// Whether `Range` counts as far as `If-Range` has a say: there is none, or its validator is that
/// of the stored response and a strong one. If not, the answer is the whole.
pub fn if_range<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
    etag: Option<&EntityTag>,
    last_modified: Option<u64>,
    date: Option<u64>,
    now_unix: u64,
) -> bool {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return true };
    if values.next().is_some() {
        return false;
    }
    let value = trim(value.as_bytes());
    if value.get(..3).unwrap_or(value).contains(&b'"') {
        return etag.is_some_and(|etag| etag.strong_eq(value));
    }
    let (Some(asked), Some(modified), Some(made)) =
        (date::parse(value, now_unix), last_modified, date)
    else {
        return false;
    };
    asked == modified && made.saturating_sub(modified) >= STRONG_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::testing::lines;

    const MODIFIED: u64 = 1_796_083_200;

    fn holds(line: &str, etag: &str, modified: u64, made: u64) -> bool {
        let etag = EntityTag::new(etag.as_bytes());
        if_range(&lines(&[line]), etag.as_ref(), Some(modified), Some(made), made)
    }

    #[test]
    fn a_tag_counts_if_it_is_strong_and_the_same() {
        let with_tag = |line, etag| holds(line, etag, MODIFIED, MODIFIED + 3600);
        assert!(with_tag("\"a\"", "\"a\""));
        assert!(with_tag(" \"\" ", "\"\""));
        assert!(!with_tag("\"b\"", "\"a\""));
        assert!(!with_tag("W/\"a\"", "W/\"a\""));
        assert!(!with_tag("W/\"a\"", "\"a\""));
        assert!(!with_tag("a", "a"));
        assert!(!with_tag("*", "\"a\""));
        assert!(!with_tag("\"a\", \"b\"", "\"a\""));
        assert!(!with_tag("\"a\"", ""));
    }

    #[test]
    fn a_date_counts_if_it_is_the_same_and_old_enough_to_be_strong() {
        let line = date::format(MODIFIED);
        let line = line.to_str().unwrap();
        assert!(holds(line, "\"a\"", MODIFIED, MODIFIED + STRONG_AFTER));
        assert!(!holds(line, "\"a\"", MODIFIED, MODIFIED + STRONG_AFTER - 1));
        assert!(!holds(line, "\"a\"", MODIFIED - 1, MODIFIED + 3600));
        assert!(!holds(line, "\"a\"", MODIFIED + 1, MODIFIED + 3600));
        assert!(!if_range(&lines(&[line]), None, Some(MODIFIED), None, MODIFIED));
        assert!(!if_range(&lines(&[line]), None, None, Some(MODIFIED), MODIFIED));
    }

    #[test]
    fn without_the_field_a_range_counts_and_with_two_it_does_not() {
        let tag = EntityTag::new(b"\"a\"");
        assert!(if_range(&lines(&[]), tag.as_ref(), None, None, 0));
        assert!(!if_range(&lines(&["\"a\"", "\"a\""]), tag.as_ref(), None, None, 0));
    }
}

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;

/// The first of December 2026.
const NOW: u64 = 1_796_083_200;

fn at(text: &str) -> Option<u64> {
    parse(text.as_bytes(), NOW)
}

fn reference(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
}

#[test]
fn the_three_forms_are_the_same_moment() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        assert_eq!(at(text), Some(784_111_777), "{text:?}");
        assert_eq!(reference(text), Some(784_111_777), "{text:?}");
    }
}

#[test]
fn names_and_zone_count_in_any_case() {
    for text in [
        "THU, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 AUG 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18 gMT",
        "thursday, 18-aug-50 02:01:18 gmt",
        "thu AUG 18 02:01:18 2050",
    ] {
        assert_eq!(at(text), Some(2_544_400_878), "{text:?}");
    }
}

#[test]
fn a_wrong_weekday_is_no_error() {
    assert_eq!(at("Mon, 18 Aug 2050 02:01:18 GMT"), Some(2_544_400_878));
}

#[test]
fn what_is_none_of_the_three_forms_is_no_date() {
    for text in [
        "",
        "0",
        "-1",
        "Thu",
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 AEST",
        "Thu, 18 Aug 2050 02:01:18 +0000",
        "Thu, 18 Aug 2050 02:01:18",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Thu, 8 Aug 2050 02:01:18 GMT",
        "Thu,18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02:01:18 GMT ",
        " Thu, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 24:00:00 GMT",
        "Thu, 18 Aug 2050 02:60:18 GMT",
        "Thu, 18 Aug 2050 02:01:61 GMT",
        "Thu, 00 Aug 2050 02:01:18 GMT",
        "Thu, 31 Jun 2050 02:01:18 GMT",
        "Thu, 29 Feb 2051 02:01:18 GMT",
        "Xyz, 18 Aug 2050 02:01:18 GMT",
        "Thursday, 18-Aug-2050 02:01:18 GMT",
        "Thursday, 18 Aug 2050 02:01:18 GMT",
        "Thu, 18-Aug-50 02:01:18 GMT",
        "Thu Aug 8 02:01:18 2050",
        "Thu Aug  18 02:01:18 2050",
        "Tue 19 Jan 2038 14:14:08 GMT",
    ] {
        assert_eq!(at(text), None, "{text:?}");
    }
}

#[test]
fn two_digits_of_a_year_are_at_most_fifty_years_ahead() {
    let year_of = |text: &str, now| civil(parse(text.as_bytes(), now).unwrap() as i64 / DAY).0;
    assert_eq!(year_of("Tuesday, 01-Dec-76 00:00:00 GMT", NOW), 2076);
    assert_eq!(year_of("Tuesday, 01-Dec-76 00:00:01 GMT", NOW), 1976);
    assert_eq!(year_of("Tuesday, 01-Dec-05 00:00:00 GMT", NOW), 2005);
    // In 2099 a 05 is the 05 to come.
    let later = at("Thu, 01 Jan 2099 00:00:00 GMT").unwrap();
    assert_eq!(year_of("Tuesday, 01-Dec-05 00:00:00 GMT", later), 2105);
}

#[test]
fn what_is_before_1970_is_1970() {
    assert_eq!(at("Wed, 31 Dec 1969 23:59:59 GMT"), Some(0));
    assert_eq!(at("Sat, 01 Jan 0000 00:00:00 GMT"), Some(0));
}

#[test]
fn what_is_after_9999_is_written_as_its_last_second() {
    assert_eq!(format(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(at("Fri, 31 Dec 9999 23:59:59 GMT"), Some(LAST));
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_as_the_reference_writes_it(unix in 0..=LAST) {
        let text = format(unix);
        prop_assert_eq!(parse(text.as_bytes(), NOW), Some(unix));
        let reference = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix));
        prop_assert_eq!(text.to_str().unwrap(), reference);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, now: u64) {
        let _ = parse(&bytes, now);
    }

    /// One byte of a good date is changed. What both accept, both read as the same moment.
    #[test]
    fn near_misses_are_read_as_the_reference_reads_them_or_not(
        unix in 0..4_000_000_000_u64, place in 0..29_usize, byte in 0x20..0x7f_u8,
    ) {
        let mut text = written(unix);
        text[place] = byte;
        let text = std::str::from_utf8(&text).unwrap();
        if let (Some(ours), Some(theirs)) = (at(text), reference(text)) {
            prop_assert_eq!(ours, theirs);
        }
    }
}

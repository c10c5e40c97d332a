//! `HTTP-date` (RFC 9110 section 5.6.7).
//!
//! A cache that reads dates generously keeps responses that their origin believes expired, so this
//! reads the three forms of the RFC and no fourth: no other zone than GMT, two digits for an hour,
//! one space between words. Names and `GMT` are accepted in any case, and a weekday need not be the
//! right one for its date: the RFC asks for neither, and real origins send both.
//!
//! The crate `httpdate` is not used for reading: it takes names in one case only, and reads two
//! digits of a year with a fixed border (1970) where the RFC wants one that moves with the clock.
//! The tests compare with it wherever both read a date.

use http::HeaderValue;

/// The end of the year 9999: nothing later can be written.
const LAST: u64 = 253_402_300_799;

const DAY: i64 = 86_400;

const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct",
    *b"Nov", *b"Dec",
];

/// From Thursday on, the first of January 1970.
const DAYS: [[u8; 3]; 7] = [*b"Thu", *b"Fri", *b"Sat", *b"Sun", *b"Mon", *b"Tue", *b"Wed"];

const LONG_DAYS: [&[u8]; 7] =
    [b"Thursday", b"Friday", b"Saturday", b"Sunday", b"Monday", b"Tuesday", b"Wednesday"];

/// Reads a date as seconds since 1970. `now_unix` decides the century of a year with two digits:
/// what would be more than 50 years ahead is in the past.
///
/// Dates before 1970 are 0: to a cache they are all equally long ago.
#[must_use]
pub fn parse(value: &[u8], now_unix: u64) -> Option<u64> {
    // The forms differ in length or in the byte after the weekday.
    let moment = match value.get(3)? {
        b',' => imf_fixdate(value)?,
        b' ' => asctime(value)?,
        _ => rfc850(value, now_unix)?,
    };
    Some(u64::try_from(moment).unwrap_or(0))
}

/// Writes a date in the preferred form. What is after the year 9999 is written as its last second.
#[must_use]
pub fn format(unix: u64) -> HeaderValue {
    // An array of visible text is always a value.
    HeaderValue::from_bytes(&written(unix)).unwrap_or(HeaderValue::from_static(""))
}

fn written(unix: u64) -> [u8; 29] {
    let unix = i64::try_from(unix.min(LAST)).unwrap_or(0);
    let days = unix.div_euclid(DAY);
    let second = unix.rem_euclid(DAY);
    let (year, month, day) = civil(days);

    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = text.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, pick(&DAYS, days.rem_euclid(7)));
    put(5, &two_digits(day));
    put(8, pick(&MONTHS, month - 1));
    put(12, &two_digits(year / 100));
    put(14, &two_digits(year % 100));
    put(17, &two_digits(second / 3600));
    put(20, &two_digits(second / 60 % 60));
    put(23, &two_digits(second % 60));
    text
}

fn pick(names: &[[u8; 3]], at: i64) -> &[u8] {
    usize::try_from(at).ok().and_then(|at| names.get(at)).map_or(b"", |name| name.as_slice())
}

fn two_digits(number: i64) -> [u8; 2] {
    let digit = |n: i64| b'0' + u8::try_from(n % 10).unwrap_or(0);
    [digit(number / 10), digit(number)]
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(value: &[u8]) -> Option<i64> {
    let mut at = Reader(value);
    at.name(&DAYS)?;
    at.skip(b", ")?;
    let day = at.digits(2)?;
    at.skip(b" ")?;
    let month = at.name(&MONTHS)? + 1;
    at.skip(b" ")?;
    let year = at.digits(4)?;
    at.skip(b" ")?;
    let second = at.time()?;
    at.gmt()?;
    at.end()?;
    Some(midnight(year, month, day)? + second)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(value: &[u8]) -> Option<i64> {
    let mut at = Reader(value);
    at.name(&DAYS)?;
    at.skip(b" ")?;
    let month = at.name(&MONTHS)? + 1;
    at.skip(b" ")?;
    let day = if at.skip(b" ").is_some() { at.digits(1)? } else { at.digits(2)? };
    at.skip(b" ")?;
    let second = at.time()?;
    at.skip(b" ")?;
    let year = at.digits(4)?;
    at.end()?;
    Some(midnight(year, month, day)? + second)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(value: &[u8], now_unix: u64) -> Option<i64> {
    let mut at = Reader(value);
    LONG_DAYS.iter().find_map(|day| at.skip(day))?;
    at.skip(b", ")?;
    let day = at.digits(2)?;
    at.skip(b"-")?;
    let month = at.name(&MONTHS)? + 1;
    at.skip(b"-")?;
    let year = at.digits(2)?;
    at.skip(b" ")?;
    let second = at.time()?;
    at.gmt()?;
    at.end()?;

    let now = i64::try_from(now_unix.min(LAST)).unwrap_or(0);
    let (this_year, ..) = civil(now.div_euclid(DAY));
    let century = this_year - this_year % 100;
    // The latest year with these digits that is not more than 50 years ahead.
    let year = [century + 100, century, century - 100]
        .map(|century| century + year)
        .into_iter()
        .find(|year| days_before(year - 50, month, day) * DAY + second <= now)?;
    Some(midnight(year, month, day)? + second)
}

/// What is still to be read. Every method reads a part, or nothing and says so.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// Skips this text, in any case.
    fn skip(&mut self, text: &[u8]) -> Option<()> {
        let (head, rest) = self.0.split_at_checked(text.len())?;
        head.eq_ignore_ascii_case(text).then(|| self.0 = rest)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(count)?;
        let mut number = 0;
        for byte in head {
            number = number * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
        }
        self.0 = rest;
        Some(number)
    }

    fn name(&mut self, names: &[[u8; 3]]) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(3)?;
        let found = names.iter().position(|name| head.eq_ignore_ascii_case(name))?;
        self.0 = rest;
        i64::try_from(found).ok()
    }

    /// `08:49:37`; the second 60 is a leap second.
    fn time(&mut self) -> Option<i64> {
        let hour = self.digits(2)?;
        self.skip(b":")?;
        let minute = self.digits(2)?;
        self.skip(b":")?;
        let second = self.digits(2)?;
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
    }

    fn gmt(&mut self) -> Option<()> {
        self.skip(b" GMT")
    }

    fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// The start of a day that exists, in seconds since 1970.
fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1..=length).contains(&day).then(|| days_before(year, month, day) * DAY)
}

/// Days from 1970 to a day of the Gregorian calendar. A year counts from March here, so that the
/// leap day is its last.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970: the inverse of [`days_before`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
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

        #[test]
        fn days_and_dates_are_inverse(days in -719_528_i64..2_932_897) {
            let (year, month, day) = civil(days);
            prop_assert_eq!(days_before(year, month, day), days);
            prop_assert_eq!(midnight(year, month, day), Some(days * DAY));
        }
    }
}

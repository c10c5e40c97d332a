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

mod calendar;

use http::HeaderValue;

use calendar::{civil, days_before, midnight};

/// The end of the year 9999: nothing later can be written.
const LAST: u64 = 253_402_300_799;

/// In seconds.
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

#[cfg(test)]
mod tests;

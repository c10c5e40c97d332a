use super::DAY;

/// The start of a day that exists, in seconds since 1970.
pub(super) fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
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
pub(super) fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970: the inverse of [`days_before`].
pub(super) fn civil(days: i64) -> (i64, i64, i64) {
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_days_of_the_calendar_exist() {
        for (year, month, day, exists) in [
            (2000, 2, 29, true),
            (1900, 2, 29, false),
            (2028, 2, 29, true),
            (2027, 2, 29, false),
            (2027, 4, 31, false),
            (2027, 12, 31, true),
            (2027, 1, 0, false),
        ] {
            assert_eq!(midnight(year, month, day).is_some(), exists, "{year}-{month}-{day}");
        }
    }

    proptest! {
        #[test]
        fn days_and_dates_are_inverse(days in -719_528_i64..2_932_897) {
            let (year, month, day) = civil(days);
            prop_assert_eq!(days_before(year, month, day), days);
            prop_assert_eq!(midnight(year, month, day), Some(days * DAY));
            prop_assert!((1..=12).contains(&month) && (0..=9999).contains(&year));
        }
    }
}

//! `delta-seconds` (RFC 9111 section 1.2.2).

/// What a number stands for that is too large: about 68 years.
pub const MAX: u32 = 1 << 31;

/// Reads a number of seconds: digits and nothing else. What is larger than [`MAX`] is [`MAX`].
#[must_use]
pub fn parse(value: &[u8]) -> Option<u32> {
    if value.is_empty() {
        return None;
    }
    let mut seconds = 0u32;
    for byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Two numbers of at most 2^31 and 9: the first overflow saturates, the minimum stays.
        seconds = seconds.saturating_mul(10).saturating_add(u32::from(digit)).min(MAX);
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_are_a_number_and_nothing_else_is() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("003600", Some(3600)),
            ("2147483648", Some(MAX)),
            ("2147483649", Some(MAX)),
            ("99999999999", Some(MAX)),
            ("99999999999999999999999999999999", Some(MAX)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("1 ", None),
            ("a1", None),
            ("1a", None),
            ("99999999999a", None),
            ("'1'", None),
        ] {
            assert_eq!(parse(text.as_bytes()), seconds, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_wide_integer(number: u128) {
            let wanted = number.min(u128::from(MAX));
            prop_assert_eq!(parse(number.to_string().as_bytes()).map(u128::from), Some(wanted));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
            prop_assert_eq!(parse(&bytes).is_some(), digits);
        }
    }
}

use crate::field::list::{is_token_byte, trim};

/// The weight of what is wanted most, in thousandths.
pub(super) const MOST: u16 = 1000;

/// Splits `name;q=0.5` into the name and its weight (RFC 9110 section 12.4.2). `None` if there is
/// another parameter, a weight that is none, or a name that is no token.
pub(super) fn weighted(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = element.splitn(2, |byte| *byte == b';');
    let name = trim(parts.next()?);
    let weight = match parts.next() {
        None => MOST,
        Some(parameter) => match trim(parameter) {
            [b'q' | b'Q', b'=', value @ ..] => thousandths(value)?,
            _ => return None,
        },
    };
    let token = !name.is_empty() && name.iter().copied().all(is_token_byte);
    token.then_some((name, weight))
}

fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole @ (b'0' | b'1')] => (*whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    let mut weight = u16::from(whole - b'0');
    for place in 0..3 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        weight = weight * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    (weight <= MOST).then_some(weight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_weight_has_at_most_three_places_and_is_at_most_one() {
        for (text, weight) in [
            ("a", Some(1000)),
            ("a;q=1", Some(1000)),
            ("a ; q=1.000", Some(1000)),
            ("a;Q=0.5", Some(500)),
            ("a;q=0.", Some(0)),
            ("a;q=0.050", Some(50)),
            ("a;q=0", Some(0)),
            ("a;q=1.001", None),
            ("a;q=2", None),
            ("a;q=0.0001", None),
            ("a;q=.5", None),
            ("a;q=", None),
            ("a;q =1", None),
            ("a;q=-1", None),
            ("a;q=0.x", None),
            ("a;q=1;b=2", None),
            ("a;b=2", None),
            ("a;", None),
            ("a b", None),
            (";q=1", None),
            ("", None),
        ] {
            let wanted = weight.map(|weight| (&b"a"[..], weight));
            assert_eq!(weighted(text.as_bytes()), wanted, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            if let Some((_, weight)) = weighted(&bytes) {
                prop_assert!(weight <= MOST);
            }
        }
    }
}

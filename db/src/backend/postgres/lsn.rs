//! WAL positions: how they are written, and which of them a replica reaches.

use super::PgError;

/// What a page of WAL begins with.
const PAGE_HEADER: u64 = 24;
/// What the first page of a segment begins with.
const SEGMENT_HEADER: u64 = 40;

/// Reads `16/B374D848`: two numbers of at most eight hexadecimal digits, and nothing else.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from(hex(high)?) << 32 | u64::from(hex(low)?))
}

/// The timeline in the name of a WAL file, `000000020000000000000003` for example.
pub(super) fn timeline(walfile: &str) -> Option<u32> {
    if walfile.len() != 24 || !walfile.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    hex(walfile.get(..8)?).filter(|timeline| *timeline > 0)
}

fn hex(digits: &str) -> Option<u32> {
    // `from_str_radix` alone would take a sign.
    let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// How the server divides its WAL; fixed when a cluster is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    page: u64,
    segment: u64,
}

impl Layout {
    /// From the settings `wal_block_size` and `wal_segment_size`.
    pub(super) fn new(page: &str, segment: &str) -> Result<Self, PgError> {
        let layout = size(page).zip(size(segment)).and_then(|(page, segment)| {
            let sound = page.is_power_of_two()
                && segment.is_power_of_two()
                && (1 << 10..=1 << 16).contains(&page)
                && (1 << 20..=1 << 30).contains(&segment);
            sound.then_some(Self { page, segment })
        });
        layout.ok_or(PgError::Unintelligible("sizes of WAL pages and segments"))
    }

    /// The end of the last record before an insert position.
    ///
    /// After a record that fills its page, the insert position stands behind the header of the next
    /// one. Replay does not come there before somebody writes again, which may be never.
    pub(super) fn reachable(self, insert: u64) -> u64 {
        if insert % self.segment == SEGMENT_HEADER {
            insert - SEGMENT_HEADER
        } else if insert % self.page == PAGE_HEADER {
            insert - PAGE_HEADER
        } else {
            insert
        }
    }
}

/// A size as `current_setting` writes it: `8192`, `16MB`.
fn size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit: u64 = match unit {
        "" | "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usual() -> Layout {
        Layout::new("8192", "16MB").unwrap()
    }

    #[test]
    fn a_position_is_two_hexadecimal_numbers() {
        assert_eq!(parse("0/0"), Some(0));
        assert_eq!(parse("16/B374D848"), Some(0x16_B374_D848));
        assert_eq!(parse("FFFFFFFF/ffffffff"), Some(u64::MAX));
    }

    #[test]
    fn what_is_not_quite_a_position_is_none() {
        let wrong = [
            "",
            "/",
            "0",
            "0/",
            "/0",
            "0/0/0",
            "+0/0",
            "0/-1",
            " 0/0",
            "0/0 ",
            "0x0/0",
            "0/100000000",
            "000000000/0",
            "g/0",
            "0/٣",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_timeline_is_the_first_eight_digits_of_a_wal_file() {
        assert_eq!(timeline("000000010000000000000003"), Some(1));
        assert_eq!(timeline("0000001A00000000000000FF"), Some(26));
        for wrong in ["", "00000001", "00000000000000000000000F", "0000000100000000000000033"] {
            assert_eq!(timeline(wrong), None, "{wrong:?}");
        }
        assert_eq!(timeline("+0000001000000000000003"), None);
        assert_eq!(timeline("0000000é0000000000000003"), None);
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(usual(), Layout { page: 8192, segment: 16 << 20 });
        assert_eq!(Layout::new("4096", "1GB").unwrap(), Layout { page: 4096, segment: 1 << 30 });
        let wrong =
            [("8192", ""), ("", "16MB"), ("8192", "16 MB"), ("8192", "12MB"), ("8192", "2GB")];
        for (page, segment) in wrong {
            assert!(Layout::new(page, segment).is_err(), "{page:?} {segment:?}");
        }
        assert!(Layout::new("99999999999999999999GB", "16MB").is_err());
    }

    #[test]
    fn a_position_behind_a_header_is_moved_before_it() {
        assert_eq!(usual().reachable(3 * 8192 + 24), 3 * 8192);
        assert_eq!(usual().reachable((5 << 24) + 40), 5 << 24);
    }

    #[test]
    fn forty_bytes_into_a_page_that_begins_no_segment_is_data() {
        assert_eq!(usual().reachable(3 * 8192 + 40), 3 * 8192 + 40);
        // With smaller segments the same position is behind a segment's header.
        let small = Layout::new("8192", "1MB").unwrap();
        assert_eq!(usual().reachable((17 << 20) + 40), (17 << 20) + 40);
        assert_eq!(small.reachable((17 << 20) + 40), 17 << 20);
    }

    proptest! {
        #[test]
        fn every_position_is_read_as_it_is_written(offset: u64) {
            let text = format!("{:X}/{:X}", offset >> 32, offset & 0xFFFF_FFFF);
            prop_assert_eq!(parse(&text), Some(offset));
        }

        #[test]
        fn no_text_is_read_as_a_position_but_its_own(text in "[0-9A-Fa-f/+ ]{0,20}") {
            if let Some(offset) = parse(&text) {
                let (high, low) = text.split_once('/').unwrap();
                let unpadded = |half: &str| half.trim_start_matches('0').to_ascii_uppercase();
                let expected = format!("{:X}/{:X}", offset >> 32, offset & 0xFFFF_FFFF);
                let (own_high, own_low) = expected.split_once('/').unwrap();
                prop_assert_eq!(unpadded(high), unpadded(own_high));
                prop_assert_eq!(unpadded(low), unpadded(own_low));
            }
        }

        #[test]
        fn a_reachable_position_stays_as_it_is_and_loses_at_most_a_header(insert: u64) {
            let reached = usual().reachable(insert);
            prop_assert!(insert - reached <= 40);
            prop_assert!(reached == insert || reached.is_multiple_of(8192));
            prop_assert_eq!(usual().reachable(reached), reached);
        }

        #[test]
        fn a_later_position_never_becomes_the_earlier_one(a: u64, step in 0_u64..10_000) {
            let b = a.saturating_add(step);
            prop_assert!(usual().reachable(a) <= usual().reachable(b)
                // No insert position lies inside a header.
                || a % 8192 < 40);
        }
    }
}

//! Timeline history files: where the ancestors of a timeline ended.

use super::{PgError, lsn};
use crate::cluster::{Fork, History};

const UNINTELLIGIBLE: PgError = PgError::Unintelligible("timeline history file");

/// Reads the history file of `timeline`.
///
/// Each line names an ancestor, the position up to which it was followed, and a reason. Ancestors
/// stand in order, and so do the positions; a file in which they do not is not believed.
pub(super) fn parse(file: &str, timeline: u32) -> Result<History, PgError> {
    let mut forks: Vec<Fork> = Vec::new();
    for line in file.lines() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split_ascii_whitespace();
        let ancestor = fields.next().filter(|field| field.bytes().all(|b| b.is_ascii_digit()));
        let ancestor: u32 = ancestor.and_then(|id| id.parse().ok()).ok_or(UNINTELLIGIBLE)?;
        let offset = fields.next().and_then(lsn::parse).ok_or(UNINTELLIGIBLE)?;
        let in_order =
            forks.last().is_none_or(|before| before.timeline < ancestor && before.offset <= offset);
        if ancestor == 0 || ancestor >= timeline || !in_order {
            return Err(UNINTELLIGIBLE);
        }
        forks.push(Fork { timeline: ancestor, offset });
    }
    Ok(History::new(forks))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ancestors_are_read_with_where_they_ended() {
        let file = "# comment\n\n1\t0/3000110\tno recovery target specified\n\
                    2\t0/5A17C80\tbefore 2024-01-01 00:00:00+00\n";
        let history = parse(file, 3).unwrap();
        let forks =
            [Fork { timeline: 1, offset: 0x300_0110 }, Fork { timeline: 2, offset: 0x5A1_7C80 }];
        assert_eq!(history.forks(), forks);
    }

    #[test]
    fn a_timeline_may_have_skipped_numbers_and_may_have_no_reason() {
        let history = parse("1\t0/10\r\n4 0/10", 9).unwrap();
        assert_eq!(history.forks().len(), 2);
    }

    #[test]
    fn an_empty_file_has_no_ancestors() {
        assert_eq!(parse("", 2).unwrap(), History::default());
    }

    #[test]
    fn a_file_that_cannot_be_true_is_not_believed() {
        let wrong = [
            "1",
            "1\t0",
            "one\t0/10\tr",
            "+1\t0/10\tr",
            "0\t0/10\tr",
            "3\t0/10\tr",
            "1\t0/10\tr\n1\t0/20\tr",
            "2\t0/10\tr\n1\t0/20\tr",
            "1\t0/20\tr\n2\t0/10\tr",
            "4294967296\t0/10\tr",
            "1\t0/10\tr\ngarbage",
        ];
        for file in wrong {
            assert!(parse(file, 3).is_err(), "{file:?}");
        }
    }

    proptest! {
        #[test]
        fn every_history_is_read_as_it_is_written(
            steps in prop::collection::vec((1_u32..5, 0_u64..1 << 40, "[ -~]{0,20}"), 0..8)
        ) {
            let (mut timeline, mut offset) = (0, 0);
            let (mut file, mut forks) = (String::new(), Vec::new());
            for (step, length, reason) in steps {
                timeline += step;
                offset += length;
                let (high, low) = (offset >> 32, offset & 0xFFFF_FFFF);
                file.push_str(&format!("{timeline}\t{high:X}/{low:X}\t{reason}\n"));
                forks.push(Fork { timeline, offset });
            }
            let history = parse(&file, timeline + 1).unwrap();
            prop_assert_eq!(history.forks(), forks);
        }

        #[test]
        fn no_file_makes_it_panic(file in "\\PC*", timeline: u32) {
            let _ = parse(&file, timeline);
        }

        #[test]
        fn a_believed_file_is_in_order(file in "([0-3]\t0/[0-9]\tr?\n){0,4}", timeline in 0_u32..5) {
            if let Ok(history) = parse(&file, timeline) {
                for pair in history.forks().windows(2) {
                    prop_assert!(pair[0].timeline < pair[1].timeline);
                    prop_assert!(pair[0].offset <= pair[1].offset);
                }
                prop_assert!(history.forks().iter().all(|fork| fork.timeline < timeline));
            }
        }
    }
}

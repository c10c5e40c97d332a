//! The control file: strict, and never a panic.

use proptest::prelude::*;

use super::super::control::{Branch, Control, ControlError, ControlErrorKind, Liveness, NodeState};
use crate::backend::Role;
use crate::position::SystemId;

const GOOD: &str = "terrace-cluster 1\ngeneration 7\nsystem 6012973410293\nquorum 1 1000\n\
    timeline 2 1 57\n\
    node a primary 1 1 up replaying 0 open current\n\
    node b primary 2 3 frozen paused 300 fenced stale\nend\n";

prop_compose! {
    fn any_node(timelines: u32)(
        name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        timeline in 1..=timelines,
        (primary, paused, fenced, stale) in any::<(bool, bool, bool, bool)>(),
        liveness in 0..3,
        (incarnation, delay) in any::<(u64, u64)>(),
    ) -> NodeState {
        NodeState {
            name,
            role: if primary { Role::Primary } else { Role::Replica },
            timeline,
            incarnation,
            liveness: match liveness {
                0 => Liveness::Up,
                1 => Liveness::Down,
                _ => Liveness::Frozen,
            },
            paused,
            delay,
            fenced,
            stale,
        }
    }
}

fn any_control() -> impl Strategy<Value = Control> {
    let branches = proptest::collection::vec((any::<u32>(), any::<u64>()), 0..5);
    branches.prop_flat_map(|branches| {
        let branches: Vec<Branch> = (2..)
            .zip(branches)
            .map(|(timeline, (parent, offset))| Branch {
                timeline,
                parent: parent % (timeline - 1) + 1,
                offset,
            })
            .collect();
        let timelines = branches.last().map_or(1, |branch| branch.timeline);
        let nodes = proptest::collection::vec(any_node(timelines), 1..6);
        (any::<(u64, u64, u32, u64)>(), nodes).prop_map(move |(numbers, mut nodes)| {
            nodes.sort_by(|a, b| a.name.cmp(&b.name));
            nodes.dedup_by(|a, b| a.name == b.name);
            let (generation, system, quorum, quorum_wait) = numbers;
            Control {
                generation,
                system: SystemId(system),
                quorum,
                quorum_wait,
                branches: branches.clone(),
                nodes,
            }
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(control in any_control()) {
        prop_assert_eq!(Control::parse(&control.to_text()), Ok(control));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _ = Control::parse(&text);
    }

    #[test]
    fn damage_is_noticed_or_means_what_it_says(
        control in any_control(),
        at in any::<prop::sample::Index>(),
        with in "[ -~\n]{0,3}",
        cut in 0usize..4,
    ) {
        let text = control.to_text();
        let at = at.index(text.len());
        let end = (at + cut).min(text.len());
        let damaged = format!("{}{with}{}", &text[..at], &text[end..]);
        // One spelling: whatever is accepted would be written the same way.
        if let Ok(read) = Control::parse(&damaged) {
            prop_assert_eq!(read.to_text(), damaged);
        }
    }

    #[test]
    fn half_a_file_is_never_taken_for_a_whole_one(
        control in any_control(),
        at in any::<prop::sample::Index>(),
    ) {
        let text = control.to_text();
        prop_assert!(Control::parse(&text[..at.index(text.len())]).is_err());
    }
}

#[test]
fn an_error_names_its_line_and_what_is_wrong() {
    use ControlErrorKind::{
        Count, Header, Name, Number, Timeline, Trailing, Truncated, Unexpected, Word, Words,
    };
    assert_eq!(Control::parse(GOOD).map(|control| control.to_text()), Ok(GOOD.to_owned()));
    let cases = [
        ("terrace-cluster 1", "terrace-cluster 2", 1, Header),
        ("generation 7", "generation +7", 2, Number),
        ("generation 7", "generation 07", 2, Number),
        ("generation 7", "generation 99999999999999999999", 2, Number),
        ("system ", "sistem ", 3, Unexpected),
        ("quorum 1 1000", "quorum 1", 4, Words),
        ("quorum 1 1000", "quorum 4294967296 1000", 4, Number),
        ("timeline 2 1 57", "timeline 3 1 57", 5, Timeline),
        ("timeline 2 1 57", "timeline 2 2 57", 5, Timeline),
        ("node a primary 1 1 up", "node a primary 3 1 up", 6, Timeline),
        ("node a primary", "node ../a primary", 6, Name),
        ("node b primary", "node a primary", 7, Name),
        ("node b primary", "node b king", 7, Word),
        ("frozen", "tepid", 7, Word),
        (" stale", "", 7, Words),
        ("end\n", "end", 8, Truncated),
        ("end\n", "end\n\n", 9, Trailing),
        ("end\n", "timeline 3 1 60\nend\n", 8, Unexpected),
    ];
    for (from, to, line, kind) in cases {
        assert!(GOOD.contains(from), "{from}");
        let damaged = GOOD.replacen(from, to, 1);
        assert_eq!(Control::parse(&damaged), Err(ControlError { line, kind }), "{from} -> {to}");
    }
    let nobody = "terrace-cluster 1\ngeneration 1\nsystem 1\nquorum 0 0\nend\n";
    assert_eq!(Control::parse(nobody), Err(ControlError { line: 5, kind: Count }));
}

#[test]
fn a_cluster_has_names_that_can_be_files_and_not_too_many() {
    let new = |names: &[&str]| Control::new(SystemId(1), names);
    assert!(new(&["a", "b-2.x_y"]).is_ok());
    for bad in ["", ".a", "-a", "a/b", "a b", "a\n", "é"] {
        assert!(new(&["a", bad]).is_err(), "{bad:?}");
    }
    assert!(new(&[]).is_err());
    assert!(new(&["a", "a"]).is_err());
    let names: Vec<String> = (0..65).map(|i| format!("n{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(new(&names[..64]).is_ok());
    assert!(new(&names).is_err());
}

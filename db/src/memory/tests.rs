use proptest::prelude::*;

use super::line::{LONGEST, fields, parse, render};
use super::*;

const OURS: SystemId = SystemId(7_301_234_567_890_123_456);

fn open(path: &Path) -> Memory {
    Memory { tries: 1, ..Memory::open(path).unwrap() }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn what_was_saved_is_loaded_by_the_next_process() {
    let directory = directory();
    let path = directory.path().join("memory");
    let first = open(&path);
    assert_eq!(first.load().unwrap(), None);
    first.save(OURS, 3).unwrap();
    assert_eq!(open(&path).load().unwrap(), Some((OURS, 3)));
}

#[test]
fn nothing_but_the_file_and_its_lock_stays() {
    let directory = directory();
    let path = directory.path().join("memory");
    // Left over from a crash in the midst of a save.
    fs::write(directory.path().join("memory.new"), "terrace-db mem").unwrap();
    open(&path).save(OURS, 3).unwrap();
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["memory", "memory.lock"]);
}

#[test]
fn the_highest_timeline_stays_in_whichever_order_processes_save() {
    let directory = directory();
    let path = directory.path().join("memory");
    let (one, other) = (open(&path), open(&path));
    for (memory, timeline) in [(&one, 2), (&other, 5), (&one, 4), (&other, 3)] {
        memory.save(OURS, timeline).unwrap();
    }
    assert_eq!(one.load().unwrap(), Some((OURS, 5)));
}

/// Timeline 5 is being saved; 9 comes from another process between its reading and its writing.
/// Whether 9 was acknowledged, and what the file says at last.
fn a_save_within_a_save(locked: bool) -> (bool, u32) {
    let directory = directory();
    let path = directory.path().join("memory");
    let (slow, quick) = (open(&path), open(&path));
    let mut acknowledged = false;
    let lock = locked.then(|| slow.lock().unwrap());
    let within = || {
        acknowledged = match locked {
            true => quick.save(OURS, 9),
            false => quick.save_locked(OURS, 9, || {}),
        }
        .is_ok();
    };
    slow.save_locked(OURS, 5, within).unwrap();
    drop(lock);
    let (_, timeline) = slow.load().unwrap().unwrap();
    (acknowledged, timeline)
}

#[test]
fn no_acknowledged_timeline_is_overwritten_by_a_lower_one() {
    assert_eq!(a_save_within_a_save(true), (false, 5));
    // The control: without the lock, 9 was acknowledged and is gone.
    assert_eq!(a_save_within_a_save(false), (true, 5));
}

#[test]
fn a_lock_that_is_held_for_long_is_an_error_and_a_free_one_is_not() {
    let directory = directory();
    let path = directory.path().join("memory");
    let (one, other) = (open(&path), open(&path));
    let held = one.lock().unwrap();
    let error = other.save(OURS, 1).unwrap_err().to_string();
    assert!(error.contains("locked by another process"), "{error}");
    drop(held);
    other.save(OURS, 1).unwrap();
}

#[test]
fn threads_that_save_at_once_leave_the_highest() {
    let directory = directory();
    let path = directory.path().join("memory");
    thread::scope(|scope| {
        for n in 1..=8 {
            let path = &path;
            scope.spawn(move || Memory::open(path).unwrap().save(OURS, n).unwrap());
        }
    });
    assert_eq!(open(&path).load().unwrap(), Some((OURS, 8)));
}

#[test]
fn another_clusters_file_is_left_alone() {
    let directory = directory();
    let path = directory.path().join("memory");
    let memory = open(&path);
    memory.save(OURS, 3).unwrap();
    let error = memory.save(SystemId(8), 4).unwrap_err();
    assert_eq!(error.path(), path);
    let error = error.to_string();
    for part in [path.to_str().unwrap(), "cluster 7301234567890123456", "cluster 8", "remove"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(memory.load().unwrap(), Some((OURS, 3)));
}

#[test]
fn a_damaged_file_is_an_error_and_stays_as_it_is() {
    let directory = directory();
    let path = directory.path().join("memory");
    let memory = open(&path);
    let long = render(OURS, 3).repeat(1000);
    for content in ["", "\n", "terrace-db memory 1\n", &long] {
        fs::write(&path, content).unwrap();
        for error in [
            memory.load().unwrap_err(),
            memory.save(OURS, 9).unwrap_err(),
            Memory::open(&path).unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(error.contains("damaged") && error.contains("memory"), "{error}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_directory_that_is_not_there_shows_when_the_pool_starts() {
    let directory = directory();
    let path = directory.path().join("missing").join("memory");
    let error = Memory::open(&path).unwrap_err();
    assert!(error.to_string().contains("make its directory"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn the_longest_line_fits() {
    assert!(render(SystemId(u64::MAX), u32::MAX).len() as u64 <= LONGEST);
}

/// The old line with the first bytes of the new one, as a write in place could leave it.
fn torn(old: &str, new: &str, at: usize) -> Vec<u8> {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    new.iter().take(at).chain(old.iter().skip(at)).copied().collect()
}

#[test]
fn a_torn_line_says_nothing() {
    let (old, new) = (render(OURS, 98), render(OURS, 1234));
    let mut fooled = 0;
    for at in 1..new.len() {
        for torn in [torn(&old, &new, at), torn("", &new, at)] {
            let said = parse(&torn);
            assert!(torn == old.as_bytes() || said.is_none(), "{:?}", str::from_utf8(&torn));
            // The control: without the sum, some would say a timeline that never was.
            let timeline = fields(&torn).map(|(_, timeline)| timeline);
            fooled += usize::from(timeline.is_some_and(|it| it != 98 && it != 1234));
        }
    }
    assert!(fooled > 0);
}

proptest! {
    #[test]
    fn what_is_rendered_is_parsed(system: u64, timeline: u32) {
        let line = render(SystemId(system), timeline);
        prop_assert_eq!(parse(line.as_bytes()), Some((SystemId(system), timeline)));
    }

    #[test]
    fn arbitrary_bytes_say_nothing(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(parse(&content), None);
    }

    #[test]
    fn a_line_with_any_byte_changed_says_nothing(
        system: u64, timeline: u32, at: proptest::sample::Index, to: u8,
    ) {
        let line = render(SystemId(system), timeline).into_bytes();
        let mut changed = line.clone();
        *at.get_mut(&mut changed) = to;
        prop_assume!(changed != line);
        prop_assert_eq!(parse(&changed), None);
    }

    #[test]
    fn a_file_of_arbitrary_bytes_is_an_error(
        content in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let directory = directory();
        let path = directory.path().join("memory");
        fs::write(&path, content).unwrap();
        prop_assert!(Memory::open(&path).is_err());
    }
}

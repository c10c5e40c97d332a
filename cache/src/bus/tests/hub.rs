use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::{Recorder, Told, key, weak};
use crate::bus::frame::{self, Head};
use crate::bus::hub::Hub;
use crate::bus::publisher::Publisher;
use crate::bus::rule::{Rule, without};
use crate::bus::sequence::{Heard, MOST, Said, Sequences};
use crate::bus::{Change, Subscriber};

const BEAT: Duration = Duration::from_secs(1);
const SPACE: &str = "users:1:";

struct Setup {
    publisher: Publisher,
    hub: Hub,
    recorder: Arc<Recorder>,
    now: Instant,
}

fn setup() -> Setup {
    let hub = Hub::new(0);
    let recorder = Recorder::new();
    hub.subscribe(SPACE, weak(&recorder));
    Setup { publisher: Publisher::new(BEAT, 4_096), hub, recorder, now: Instant::now() }
}

impl Setup {
    fn frame(&mut self, space: &str, change: &Change) -> Bytes {
        self.publisher.changes(space, std::slice::from_ref(change)).unwrap().remove(0)
    }

    fn say(&mut self, change: &Change) {
        let frame = self.frame(SPACE, change);
        self.hub.receive(&frame, self.now);
    }

    fn beat(&mut self) {
        self.hub.receive(&self.publisher.beat(), self.now);
    }
}

#[test]
fn changes_are_told_in_their_order() {
    let mut setup = setup();
    let changes = [key("a"), Change::Tag([3; 16]), key("b"), Change::Clear, key("a")];
    changes.iter().for_each(|change| setup.say(change));
    assert_eq!(setup.recorder.told(), changes.map(Told::Changed));
}

#[test]
fn what_concerns_another_space_is_not_told_and_a_loss_is_told_to_all() {
    let mut setup = setup();
    let other = Recorder::new();
    setup.hub.subscribe("tracks:1:", weak(&other));
    setup.say(&key("a"));
    setup.frame("stations:1:", &key("b")); // lost
    setup.beat();
    assert_eq!(setup.recorder.told(), [Told::Changed(key("a")), Told::Missed]);
    assert_eq!(other.told(), [Told::Missed]);
    assert_eq!(setup.hub.tally.counts().gaps, 1);
}

#[test]
fn what_this_process_says_it_does_not_hear() {
    let mut setup = setup();
    setup.hub = Hub::new(setup.publisher.id());
    setup.hub.subscribe(SPACE, weak(&setup.recorder));
    setup.say(&key("a"));
    setup.frame(SPACE, &key("b"));
    setup.beat();
    assert_eq!(setup.recorder.told(), []);
}

#[test]
fn a_subscriber_that_was_dropped_is_not_kept() {
    let mut setup = setup();
    let weak_of_dropped = {
        let dropped = Recorder::new();
        setup.hub.subscribe("gone:1:", weak(&dropped));
        Arc::downgrade(&dropped)
    };
    setup.hub.subscribe(SPACE, weak(&setup.recorder));
    // Its memory is freed with the last weak reference, which is this one.
    assert_eq!(weak_of_dropped.weak_count(), 0);
    setup.say(&key("a"));
    assert_eq!(setup.recorder.told().len(), 2);
}

#[test]
fn a_subscriber_that_panics_hears_that_it_missed_something_and_others_hear_all() {
    struct Panics(Arc<Recorder>);
    impl Subscriber for Panics {
        fn changed(&self, _: &Change) {
            panic!("as the test wants it");
        }
        fn missed(&self) {
            Subscriber::missed(&*self.0);
            panic!("as the test wants it");
        }
    }
    let mut setup = setup();
    let panics = Arc::new(Panics(Recorder::new()));
    setup.hub.subscribe(SPACE, weak(&panics));
    let after = Recorder::new();
    setup.hub.subscribe(SPACE, weak(&after));
    setup.say(&key("a"));
    setup.say(&key("b"));
    assert_eq!(panics.0.told(), [Told::Missed, Told::Missed]);
    assert_eq!(setup.recorder.told().len(), 2);
    assert_eq!(after.told().len(), 2);
    assert_eq!(setup.hub.tally.counts().panics, 4);
}

#[test]
fn a_damaged_frame_is_a_loss_and_a_foreign_one_is_none() {
    let damaged = || {
        let mut setup = setup();
        let mut frame = setup.frame(SPACE, &key("a")).to_vec();
        frame[20] ^= 1;
        setup.hub.receive(&frame.into(), setup.now);
        setup.hub.receive(&Bytes::from_static(b"PING"), setup.now);
        setup.hub.receive(&Bytes::new(), setup.now);
        let counts = setup.hub.tally.counts();
        assert_eq!((counts.damaged, counts.foreign, counts.received), (1, 2, 0));
        setup.recorder.told()
    };
    assert_eq!(damaged(), [Told::Missed]);
    assert_eq!(without(Rule::Damage, damaged), [], "control");
}

#[test]
fn changes_in_a_newer_format_are_a_loss_each_and_heartbeats_are_none() {
    let newer = |frame: &Bytes| {
        let mut bytes = frame[..frame.len() - 8].to_vec();
        bytes[4] = 2;
        let sum = xxh3_64(&bytes);
        bytes.extend(sum.to_be_bytes());
        Bytes::from(bytes)
    };
    let mut setup = setup();
    for _ in 0..3 {
        setup.hub.receive(&newer(&setup.publisher.beat()), setup.now);
    }
    assert_eq!(setup.recorder.told(), []);
    for _ in 0..2 {
        let frame = setup.frame(SPACE, &key("a"));
        setup.hub.receive(&newer(&frame), setup.now);
        setup.hub.receive(&newer(&setup.publisher.beat()), setup.now);
    }
    assert_eq!(setup.recorder.told(), [Told::Missed, Told::Missed]);
    assert_eq!(setup.hub.tally.counts().unknown, 2);
}

#[test]
fn a_lost_last_word_shows_with_the_next_heartbeat() {
    let mut setup = setup();
    setup.say(&key("a"));
    setup.frame(SPACE, &key("b"));
    assert_eq!(setup.recorder.missed(), 0, "control: without a heartbeat nothing shows");
    setup.beat();
    setup.beat();
    assert_eq!(setup.recorder.missed(), 1);
}

#[test]
fn a_publisher_that_dies_after_a_lost_word_is_noticed_by_its_silence_once() {
    let silent = || {
        let mut setup = setup();
        setup.say(&key("a"));
        setup.frame(SPACE, &key("b"));
        setup.hub.notice_silence(setup.now + 4 * BEAT);
        let before = setup.recorder.missed();
        for beats in 5..9 {
            setup.hub.notice_silence(setup.now + beats * BEAT);
        }
        (before, setup.recorder.missed())
    };
    assert_eq!(silent(), (0, 1));
    assert_eq!(without(Rule::Silence, silent), (0, 0), "control");
}

#[test]
fn a_publisher_that_was_away_and_said_nothing_has_lost_nothing_more() {
    let mut setup = setup();
    setup.say(&key("a"));
    setup.now += 100 * BEAT;
    setup.hub.notice_silence(setup.now);
    setup.beat();
    assert_eq!(setup.recorder.missed(), 1);
    setup.frame(SPACE, &key("b"));
    setup.beat();
    assert_eq!(setup.recorder.missed(), 2);
}

#[test]
fn after_a_farewell_silence_means_nothing() {
    let mut setup = setup();
    setup.say(&key("a"));
    setup.hub.receive(&setup.publisher.farewell(), setup.now);
    setup.hub.receive(&setup.publisher.farewell(), setup.now);
    setup.hub.notice_silence(setup.now + 100 * BEAT);
    assert_eq!(setup.recorder.missed(), 0);
}

#[test]
fn a_farewell_tells_of_a_lost_last_word() {
    let mut setup = setup();
    setup.say(&key("a"));
    setup.frame(SPACE, &key("b"));
    setup.hub.receive(&setup.publisher.farewell(), setup.now);
    assert_eq!(setup.recorder.missed(), 1);
}

#[test]
fn who_comes_late_has_missed_what_was_said_before_and_no_more() {
    let mut setup = setup();
    setup.frame(SPACE, &key("a"));
    setup.say(&key("b"));
    setup.say(&key("c"));
    let told = [Told::Missed, Told::Changed(key("b")), Told::Changed(key("c"))];
    assert_eq!(setup.recorder.told(), told);
}

#[test]
fn what_comes_late_or_twice_is_delivered_and_no_loss() {
    let mut setup = setup();
    let frames = ["a", "b", "c"].map(|name| setup.frame(SPACE, &key(name)));
    for at in [0, 2, 1, 1] {
        setup.hub.receive(&frames[at], setup.now);
    }
    let names: Vec<_> = ["a", "", "c", "b", "b"]
        .iter()
        .map(|name| if name.is_empty() { Told::Missed } else { Told::Changed(key(name)) })
        .collect();
    assert_eq!(setup.recorder.told(), names);
}

#[test]
fn a_number_made_up_in_a_publishers_name_hides_losses_until_its_next_heartbeat_and_no_longer() {
    let made_up = || {
        let mut setup = setup();
        setup.say(&key("a"));
        let forged = Head { publisher: setup.publisher.id(), number: u64::MAX, beat: BEAT };
        setup.hub.receive(&frame::beat(forged), setup.now);
        let before = setup.recorder.missed();
        setup.frame(SPACE, &key("b"));
        setup.beat();
        let after = setup.recorder.missed();
        setup.frame(SPACE, &key("c"));
        setup.say(&key("d"));
        (before, after, setup.recorder.missed())
    };
    assert_eq!(made_up(), (1, 2, 3));
    assert_eq!(without(Rule::Behind, made_up), (1, 1, 1), "control");
}

#[test]
fn made_up_publishers_take_bounded_memory_and_push_out_who_is_silent_for_longest() {
    let mut sequences = Sequences::default();
    let now = Instant::now();
    let mut gaps = 0;
    let all = MOST as u64 + 300;
    for publisher in 0..all {
        let now = now + Duration::from_millis(publisher);
        let heard = sequences.hear(publisher, Said::Beat(0), BEAT, now);
        gaps += usize::from(heard == Heard::Gap);
        assert!(sequences.len() <= MOST);
    }
    // Whoever is pushed out may have lost something.
    assert_eq!(gaps, 300);
    assert_eq!(sequences.hear(all - 1, Said::Beat(0), BEAT, now), Heard::Again);
    assert_eq!(sequences.hear(0, Said::Changes(5), BEAT, now), Heard::Gap);
}

#[test]
fn numbers_at_the_end_of_their_range_are_numbers() {
    let mut sequences = Sequences::default();
    let now = Instant::now();
    let mut hear = |said| sequences.hear(1, said, Duration::MAX, now);
    assert_eq!(hear(Said::Changes(u64::MAX)), Heard::Gap);
    assert_eq!(hear(Said::Changes(u64::MAX)), Heard::Again);
    assert_eq!(hear(Said::Beat(u64::MAX)), Heard::Again);
    assert_eq!(hear(Said::Changes(1)), Heard::Again);
    assert_eq!(hear(Said::Beat(0)), Heard::Gap);
    assert_eq!(hear(Said::Changes(1)), Heard::Next);
}

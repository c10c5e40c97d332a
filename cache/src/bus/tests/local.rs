use super::{Recorder, Told, key, weak};
use crate::bus::{Bus, Change, Local};

const SPACE: &str = "users:1:";

#[tokio::test]
async fn what_one_node_says_the_others_hear_before_it_goes_on() {
    let bus = Local::new();
    let nodes = [bus.node(), bus.node(), bus.node()];
    let recorders = nodes.each_ref().map(|node| {
        let recorder = Recorder::new();
        node.subscribe(SPACE, weak(&recorder));
        recorder
    });
    nodes[0].publish(SPACE, &[key("a"), Change::Clear]).await.unwrap();
    nodes[1].publish(SPACE, &[key("b")]).await.unwrap();
    let [first, second, third] = recorders.map(|recorder| recorder.told());
    assert_eq!(first, [Told::Changed(key("b"))]);
    // Clear says it all.
    assert_eq!(second, [Told::Changed(Change::Clear)]);
    assert_eq!(third, [Told::Changed(Change::Clear), Told::Changed(key("b"))]);
}

#[tokio::test]
async fn a_frame_that_is_held_can_be_lost_repeated_and_overtaken() {
    let bus = Local::new();
    let (here, there) = (bus.node(), bus.node());
    let recorder = Recorder::new();
    there.subscribe(SPACE, weak(&recorder));
    bus.hold();
    for name in ["a", "b", "c", "d"] {
        here.publish(SPACE, &[key(name)]).await.unwrap();
    }
    assert_eq!((bus.waiting(), recorder.told().len()), (4, 0));
    assert!(bus.repeat(0) && bus.lose(1) && bus.deliver(0));
    assert!(!bus.repeat(9) && !bus.lose(9) && !bus.deliver(9));
    bus.release();
    let [a, c, d] = ["a", "c", "d"].map(|name| Told::Changed(key(name)));
    assert_eq!(recorder.told(), [a.clone(), Told::Missed, c, d, a]);
    assert_eq!(bus.waiting(), 0);
}

#[tokio::test]
async fn a_node_that_comes_late_is_told_at_the_next_heartbeat_that_it_missed_something() {
    let bus = Local::new();
    let here = bus.node();
    here.publish(SPACE, &[key("a")]).await.unwrap();
    let late = bus.node();
    let recorder = Recorder::new();
    late.subscribe(SPACE, weak(&recorder));
    bus.beat();
    bus.beat();
    assert_eq!(recorder.told(), [Told::Missed]);
}

#[tokio::test]
async fn a_node_whose_handles_are_gone_is_gone() {
    let bus = Local::new();
    let here = bus.node();
    drop(bus.node());
    bus.hold();
    here.publish(SPACE, &[key("a")]).await.unwrap();
    assert_eq!(bus.waiting(), 0);
}

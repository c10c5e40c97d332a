//! RFC 9111, 4.2 and 5.1: ages and lifetimes, and clocks that disagree.

use crate::support::{Reply, Site, date, pass};

fn page(control: &str) -> Reply {
    Reply::ok("page").control(control)
}

async fn stored(reply: Reply) -> Site {
    let site = Site::secure().saying(reply);
    site.page().await;
    site
}

/// After how many seconds a page is no longer served from the store; looks at one second before, too.
async fn lives(reply: Reply, seconds: u64) {
    let site = stored(reply).await;
    if seconds > 0 {
        pass(seconds - 1).await;
        assert!(site.page().await.is_hit(), "one second before {seconds}");
        pass(1).await;
    }
    assert!(!site.page().await.is_hit(), "after {seconds}");
}

// 5.1: a page that comes straight from the origin has none of this cache's.
#[tokio::test(start_paused = true)]
async fn only_an_answer_from_the_store_has_an_age() {
    let site = Site::secure().saying(page("max-age=60"));
    assert_eq!(site.page().await.age(), None);
    assert_eq!(site.page().await.age(), Some(0));
}

// 4.2.3: resident time.
#[tokio::test(start_paused = true)]
async fn age_grows_by_the_second() {
    let site = stored(page("max-age=60")).await;
    for second in 1..=3 {
        pass(1).await;
        assert_eq!(site.page().await.age(), Some(second));
    }
}

// 4.2.3: age_value + response_delay + resident_time
#[tokio::test(start_paused = true)]
async fn the_age_on_arrival_the_delay_and_the_residence_add_up() {
    let site = Site::secure().saying(page("max-age=60").field("age", "20").after(3));
    site.page().await;
    pass(5).await;
    assert_eq!(site.page().await.age(), Some(28));
    pass(31).await;
    assert!(site.page().await.is_hit());
    pass(1).await;
    assert!(!site.page().await.is_hit());
}

// 4.2.3: apparent_age, if it is the larger.
#[tokio::test(start_paused = true)]
async fn the_larger_of_age_and_the_age_of_the_date_counts() {
    for (age, made, expected) in [("20", -5, 20), ("5", -20, 20), ("0", -20, 20)] {
        let site = stored(page("max-age=60").field("age", age).field("date", date(made))).await;
        assert_eq!(site.page().await.age(), Some(expected), "{age} {made}");
    }
}

// 4.2.3: max(0, …)
#[tokio::test(start_paused = true)]
async fn an_origin_whose_clock_is_fast_makes_nothing_younger_than_new() {
    let site = stored(page("max-age=60").field("date", date(3600))).await;
    assert_eq!(site.page().await.age(), Some(0));
    pass(59).await;
    assert_eq!(site.page().await.age(), Some(59));
    pass(1).await;
    assert!(!site.page().await.is_hit());
}

// 4.2.3: the cautious side of a clock that is slow.
#[tokio::test(start_paused = true)]
async fn an_origin_whose_clock_is_slow_makes_its_pages_old() {
    lives(page("max-age=60").field("date", date(-50)), 10).await;
    lives(page("max-age=60").field("date", date(-60)), 0).await;
}

// 4.2.1: Expires is by the origin's clock, and so is Date.
#[tokio::test(start_paused = true)]
async fn expires_is_counted_from_date_by_the_origins_own_clock() {
    for clock in [0, 3600] {
        let page = Reply::ok("page").field("date", date(clock));
        lives(page.field("expires", date(clock + 60)), 60).await;
    }
    // Slow by 20 seconds: as old as that on arrival.
    lives(Reply::ok("page").field("date", date(-20)).field("expires", date(40)), 40).await;
}

// 5.3
#[tokio::test(start_paused = true)]
async fn an_expires_that_cannot_be_read_or_is_past_is_stale() {
    for expires in ["0", "-1", "", "tomorrow", &date(0), &date(-1)] {
        lives(Reply::ok("page").field("expires", expires), 0).await;
    }
    // Two that contradict each other.
    lives(Reply::ok("page").field("expires", date(60)).field("expires", date(90)), 0).await;
}

// 5.3: max-age and s-maxage overrule it.
#[tokio::test(start_paused = true)]
async fn expires_does_not_count_beside_a_lifetime() {
    lives(page("max-age=10").field("expires", date(60)), 10).await;
    lives(page("s-maxage=20, max-age=10").field("expires", date(60)), 20).await;
    lives(page("max-age=10").field("expires", "0"), 10).await;
}

// 4.2.1: encouraged to be stale.
#[tokio::test(start_paused = true)]
async fn a_lifetime_that_cannot_be_read_is_none() {
    for control in ["max-age=x", "max-age=-1", "max-age=1.5", "max-age", "max-age="] {
        lives(page(control).field("expires", date(60)), 0).await;
    }
}

// 1.2.2
#[tokio::test(start_paused = true)]
async fn a_huge_lifetime_is_long_and_not_short() {
    for control in ["max-age=2147483648", "max-age=4294967296", "max-age=99999999999999999999"] {
        let site = stored(page(control)).await;
        pass(1_000_000_000).await;
        assert!(site.page().await.is_hit(), "{control}");
    }
}

// 5.1 with 1.2.2
#[tokio::test(start_paused = true)]
async fn a_huge_age_is_old_and_not_new() {
    for age in ["2147483648", "4294967296", "4294967295", "99999999999999999999"] {
        lives(page("max-age=60").field("age", age), 0).await;
    }
}

// 5.1: what cannot be read is not taken for new.
#[tokio::test(start_paused = true)]
async fn an_age_that_cannot_be_read_is_old() {
    for age in ["x", "-1", "1.5"] {
        lives(page("max-age=60").field("age", age), 0).await;
    }
}

// 5.1: one line counts; the first of a list.
#[tokio::test(start_paused = true)]
async fn the_stored_age_is_not_sent_beside_this_ones() {
    let site = stored(page("max-age=60").field("age", "7")).await;
    let served = site.page().await;
    assert_eq!(served.headers.get_all("age").iter().count(), 1);
    assert_eq!(served.age(), Some(7));
}

// RFC 9110, 6.6.1: a recipient with a clock adds the date that is missing.
#[tokio::test(start_paused = true)]
async fn a_response_without_a_date_gets_that_of_its_arrival() {
    let site = Site::secure().saying(page("max-age=60").undated());
    pass(5).await;
    site.page().await;
    pass(5).await;
    let served = site.page().await;
    assert_eq!((served.field("date"), served.age()), (Some(date(5)), Some(5)));
}

// 4.2.2: ten percent, and a day at most.
#[tokio::test(start_paused = true)]
async fn a_guessed_lifetime_is_a_tenth_of_the_time_since_the_change() {
    for (modified, lifetime) in [(-1000, 100), (-100_000_000, 86_400)] {
        let reply = Reply::ok("page").field("last-modified", date(modified));
        let site = Site::rfc().saying(reply);
        site.page().await;
        pass(lifetime - 1).await;
        assert!(site.page().await.is_hit());
        pass(1).await;
        assert!(!site.page().await.is_hit());
    }
}

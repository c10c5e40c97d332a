use terrace_testkit::{Postgres, Redis, tools};

use crate::browser::Browser;
use crate::client::Answer;
use crate::{PAGE, Site, ask, is_hit};

#[tokio::test]
async fn who_cannot_be_looked_up_is_not_taken_for_a_stranger() {
    let Some(_) = tools::require_or_skip("redis-server") else {
        return;
    };
    let redis = Redis::start().await.unwrap();
    let site = Site::start(&["--servers", "1", "--sessions", &redis.url()]).await;
    let address = site.address();
    let mut browser = Browser::default();
    browser.sign_in(address, 7).await;
    let token = browser.session().unwrap().to_owned();

    redis.stop().await.unwrap();
    for path in ["/", "/favourites", "/devices"] {
        let page = browser.ask(address, "GET", path, PAGE).await.unwrap();
        assert_eq!(page.status, 503, "{path}: {}", page.text);
        assert!(page.text.contains("Lost the signal"), "{path}: {}", page.text);
        assert!(page.header("retry-after").is_some(), "{path}: {}", page.text);
        assert_eq!(browser.session(), Some(token.as_str()), "the cookie stays");
    }
    let out = browser.post(address, "/sign-out", "").await;
    assert_eq!((out.status, browser.session()), (503, Some(token.as_str())), "{}", out.text);
    // Who has no session has none to look up.
    for stranger in [ask(address, "GET", "/", PAGE), ask(address, "GET", "/stations/8", PAGE)] {
        let page = stranger.await.unwrap();
        assert!(page.status == 200 && !is_hit(&page), "{}", page.text);
    }

    redis.cont();
    let headers = browser.headers();
    let back = async || ask(address, "GET", "/whoami", &headers).await;
    let is_back = |answer: &Answer| answer.status == 200;
    while !back().await.is_ok_and(|answer| is_back(&answer)) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(browser.who(address).await.unwrap().0, Some(7));
    site.stage.stop().await;
}

#[tokio::test]
async fn sessions_may_live_in_postgres() {
    let Some(_) = tools::require_or_skip("postgres") else {
        return;
    };
    let postgres = Postgres::start().await.unwrap();
    let site = Site::start(&["--sessions", &postgres.url()]).await;
    let mut browser = Browser::default();
    browser.ask(site.address(), "PUT", "/favourites/5", "").await.unwrap();
    browser.sign_in(site.address(), 7).await;
    let list = browser.get(site.address(), "/favourites").await;
    assert!(list.text.contains("\"id\":5,"), "{}", list.text);
    site.stage.stop().await;
}

//! What a handler does with a session, as it sees it.

mod support;

use support::{Browser, Site};

#[tokio::test]
async fn what_one_request_sets_the_next_one_gets() {
    let (site, mut browser) = (Site::new(), Browser::new());
    let first = browser.visit(&site.layer, async |session| {
        session.set("color", "red").await?;
        assert_eq!(session.get::<String>("color").await?.as_deref(), Some("red"));
        Ok(200)
    });
    let first = first.await;
    assert_eq!(first.status(), 200);
    assert!(first.set_cookie().is_some());
    let second = browser.visit(&site.layer, async |session| {
        assert_eq!(session.get::<String>("color").await?.as_deref(), Some("red"));
        Ok(200)
    });
    assert_eq!(second.await.status(), 200);
}

#[tokio::test]
async fn who_logs_in_is_known_until_they_log_out() {
    let (site, mut browser) = (Site::new(), Browser::new());
    browser.visit(&site.layer, async |session| session.login("ada").await.map(|()| 200)).await;
    let subject = async |session: terrace_session::Session| {
        assert_eq!(session.subject().await?.as_deref(), Some("ada"));
        Ok(200)
    };
    assert_eq!(browser.visit(&site.another(), subject).await.status(), 200);
    let before = browser.clone();
    browser.visit(&site.layer, async |session| session.logout().await.map(|()| 200)).await;
    assert_eq!(browser.cookie, None);
    for mut browser in [browser, before] {
        let nobody = browser.visit(&site.layer, async |session| {
            assert_eq!(session.subject().await?, None);
            Ok(200)
        });
        assert_eq!(nobody.await.status(), 200);
    }
}

//! More than fits in. Every refusal has a type, and nothing is cut.

use terrace_session::{Limits, Session, SessionError};

use crate::support::{Browser, Site};
use crate::{number, put};

fn site(limits: Limits) -> Site {
    Site::with(|builder| builder.limits(limits))
}

const SMALL: Limits = Limits { bytes: 40, values: 3, value: 30 };

#[tokio::test]
async fn what_is_too_large_is_refused_by_name_value_and_session() {
    let site = site(SMALL);
    let mut browser = Browser::new();
    let page = async |session: Session| {
        let name = "n".repeat(129);
        assert!(matches!(session.set(&name, &1).await, Err(SessionError::Name(_))));
        assert!(matches!(session.set_blind(&name, &1), Err(SessionError::Name(_))));
        let value = "v".repeat(29);
        assert!(matches!(session.set("v", &value).await, Err(SessionError::Full)), "31 bytes");
        session.set("v", &value[1..]).await?;
        assert!(matches!(session.set("w", "1234567").await, Err(SessionError::Full)), "in all");
        session.set("w", "123456").await?;
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    let page = async |session: Session| {
        assert_eq!(session.get::<String>("v").await?, Some("v".repeat(28)));
        assert_eq!(session.get::<String>("w").await?.as_deref(), Some("123456"));
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
}

#[tokio::test]
async fn a_value_that_does_not_fit_leaves_the_one_that_was_set_before() {
    for blind in [false, true] {
        let site = site(Limits { bytes: 12, ..SMALL });
        let mut browser = Browser::new();
        let page = async |session: Session| {
            session.set("a", &1).await?;
            let full = match blind {
                true => session.set_blind("a", "far too long"),
                false => session.set("a", "far too long").await,
            };
            assert!(matches!(full, Err(SessionError::Full)));
            assert_eq!(session.get::<u64>("a").await?, Some(1), "nothing was changed");
            Ok(200)
        };
        assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
        assert_eq!(number(&site.layer, &mut browser, "a").await, Some(1), "blind: {blind}");
    }
}

#[tokio::test]
async fn an_update_that_begins_a_session_keeps_to_the_limits() {
    let site = site(SMALL);
    let (mut browser, text) = (Browser::new(), "x".repeat(20));
    let page = async |session: Session| {
        session.set("a", &text).await?;
        let update = session.update("b", |_: Option<String>| text.clone()).await;
        assert!(matches!(update, Err(SessionError::Full)), "{update:?}");
        assert_eq!(session.update("c", |_: Option<u64>| 1).await?, 1, "control: what fits");
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(number(&site.layer, &mut browser, "c").await, Some(1));
    let page = async |session: Session| {
        assert_eq!(session.get::<String>("a").await?.as_ref(), Some(&text));
        assert_eq!(session.get::<String>("b").await?, None);
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
}

#[tokio::test]
async fn removing_needs_no_room() {
    let site = site(Limits { values: 2, ..SMALL });
    let mut browser = Browser::new();
    put(&site.layer, &mut browser, "a", 1).await;
    put(&site.layer, &mut browser, "b", 2).await;
    let page = async |session: Session| {
        // Without a look at the session these have room, and with one they have not.
        session.set_blind("c", &3)?;
        session.set_blind("d", &4)?;
        session.get::<u64>("a").await?;
        assert!(matches!(session.set("e", &5).await, Err(SessionError::Full)), "control");
        session.remove("a").await?;
        session.remove_blind("b")?;
        Ok(200)
    };
    assert_eq!(browser.visit(&site.layer, page).await.status(), 200);
    assert_eq!(number(&site.layer, &mut browser, "a").await, None);
    assert_eq!(number(&site.layer, &mut browser, "c").await, Some(3));
}

/// What one request cannot know: the store says no, and nothing of the patch is done.
#[tokio::test]
async fn a_patch_without_room_is_not_done_in_part() {
    let site = site(Limits { values: 2, ..SMALL });
    let mut browser = Browser::new();
    put(&site.layer, &mut browser, "a", 1).await;
    let page = async |session: Session| {
        session.set_blind("b", &2)?;
        session.set_blind("c", &3)?;
        Ok(200)
    };
    let visit = browser.visit(&site.layer, page).await;
    assert_eq!((visit.status(), visit.set_cookie()), (507, None));
    assert!(matches!(visit.error(), Some(SessionError::Full)));
    for (name, there) in [("a", Some(1)), ("b", None), ("c", None)] {
        assert_eq!(number(&site.layer, &mut browser, name).await, there, "{name}");
    }
}

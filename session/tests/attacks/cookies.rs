//! Cookies that somebody else has chosen.

use terrace_session::{Cookie, Session};

use crate::support::{Browser, MINUTE, Op, Site};
use crate::{is, log_in, logged_in, number, put, token, who};

fn with(cookie: impl Into<String>) -> Browser {
    Browser { cookie: Some(cookie.into()) }
}

#[tokio::test]
async fn an_id_that_a_visitor_has_chosen_is_never_taken_up() {
    let site = Site::new();
    let long = "x".repeat(4_000);
    for chosen in ["1", "", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "\"\"", &long] {
        let mut browser = with(format!("__Host-id={chosen}"));
        put(&site.layer, &mut browser, "n", 1).await;
        assert_eq!(site.store.asked(), [Op::Create], "nobody asks for {chosen:?}");
        assert_ne!(token(&browser), chosen);
        let mut planted = with(format!("__Host-id={chosen}"));
        log_in(&site, &mut planted, "ada").await;
        assert_ne!(token(&planted), chosen);
        assert_eq!(who(&site.layer, &mut with(format!("__Host-id={chosen}"))).await, None);
    }
}

#[tokio::test]
async fn the_id_of_a_session_that_is_over_is_neither_revived_nor_reused() {
    for logs_in in [false, true] {
        let site = Site::new();
        let old = logged_in(&site, "ada").await;
        site.clock.advance(31 * MINUTE);
        let mut browser = old.clone();
        match logs_in {
            true => log_in(&site, &mut browser, "eve").await,
            false => put(&site.layer, &mut browser, "n", 1).await,
        }
        assert_ne!(browser.cookie, old.cookie);
        assert_eq!(who(&site.layer, &mut old.clone()).await, None);
        assert_eq!(number(&site.layer, &mut old.clone(), "n").await, None);
    }
}

/// Fixation with a session that the attacker has logged in themselves: what its victim does must not be theirs to see.
#[tokio::test]
async fn a_planted_session_of_somebody_else_is_left_behind_at_the_login() {
    let site = Site::new();
    let eve = logged_in(&site, "eve").await;
    put(&site.layer, &mut eve.clone(), "planted", 1).await;
    let mut victim = eve.clone();
    log_in(&site, &mut victim, "ada").await;
    put(&site.layer, &mut victim, "secret", 2).await;
    assert!(is(&site.layer, &mut victim, "ada").await);
    assert_eq!(number(&site.layer, &mut victim, "planted").await, None);
    assert_eq!(who(&site.layer, &mut eve.clone()).await, None);
    assert_eq!(number(&site.layer, &mut eve.clone(), "secret").await, None);
}

/// The id from before a renewal still works for a while: not across a login.
#[tokio::test]
async fn an_old_id_that_was_renewed_is_dead_after_the_login() {
    let site = Site::new();
    let mut browser = Browser::new();
    put(&site.layer, &mut browser, "cart", 1).await;
    let first = browser.clone();
    let renew = async |session: Session| session.renew().await.map(|()| 200);
    browser.visit(&site.layer, renew).await;
    assert_eq!(number(&site.layer, &mut first.clone(), "cart").await, Some(1), "control");
    let second = browser.clone();
    log_in(&site, &mut browser, "ada").await;
    for mut known in [first, second] {
        assert_eq!(who(&site.layer, &mut known).await, None);
        assert_eq!(number(&site.layer, &mut known, "cart").await, None);
    }
}

#[tokio::test]
async fn what_is_tossed_in_beside_a_token_does_not_hide_it() {
    let site = Site::new();
    let ada = logged_in(&site, "ada").await.cookie.unwrap();
    let forged = "__Host-id=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let many = (0..100).map(|number| format!("c{number}=1; ")).collect::<String>();
    let header = |before: &str, after: &str| format!("{before}{ada}{after}");
    for tossed in [
        header(&format!("{forged}; "), ""),
        header("", &format!("; {forged}; __Host-id=; __Host-id=\"")),
        header("id=planted; __host-id=planted; ", "; id=planted"),
        header(&many, &format!("; big={}", "y".repeat(8_000))),
        header("\"=; ;;; ", "; \""),
    ] {
        assert!(is(&site.layer, &mut with(&*tossed), "ada").await, "{tossed}");
    }
    let other_name = ada.replace("__Host-", "");
    assert_eq!(
        who(&site.layer, &mut with(other_name)).await,
        None,
        "control: no other name will do"
    );
}

/// Without the `__Host-` prefix another host of the domain can put its own token beside the user's. That is ambiguous, and
/// nobody is taken for anybody; but a logout that then did nothing would leave the user's session alive.
#[tokio::test]
async fn a_logout_ends_the_session_also_if_another_token_was_tossed_in() {
    let cookie = Cookie::lax().without_host_prefix().domain("example.com");
    let site = Site::with(|builder| builder.cookie(cookie));
    let (ada, eve) = (logged_in(&site, "ada").await, logged_in(&site, "eve").await);
    let both = format!("{}; {}", ada.cookie.clone().unwrap(), eve.cookie.clone().unwrap());
    let mut tossed = with(both);
    assert_eq!(who(&site.layer, &mut tossed).await, None);
    assert!(is(&site.layer, &mut ada.clone(), "ada").await, "control: it is alive");
    let visit = tossed.visit(&site.layer, async |session| session.logout().await.map(|()| 200));
    let visit = visit.await;
    assert!(visit.set_cookie().unwrap().contains("Max-Age=0"));
    assert_eq!(who(&site.layer, &mut ada.clone()).await, None);
    assert_eq!(who(&site.layer, &mut eve.clone()).await, None);
}

/// A logout that is refused must not look like one.
#[tokio::test]
async fn a_logout_of_several_tokens_that_is_not_done_keeps_the_cookie() {
    let site = Site::new();
    let (ada, eve) = (logged_in(&site, "ada").await, logged_in(&site, "eve").await);
    let mut tossed = with(format!("{}; {}", ada.cookie.unwrap(), eve.cookie.unwrap()));
    site.store.next(Op::Delete, crate::support::Fault::Refuse);
    let visit = tossed.visit(&site.layer, async |session| session.logout().await.map(|()| 200));
    let visit = visit.await;
    assert_eq!((visit.status(), visit.set_cookie()), (503, None));
}

/// A replica that is behind knows nothing of a login that was a moment ago. The next request asks another one.
#[tokio::test]
async fn a_replica_that_is_behind_logs_nobody_out() {
    let (site, behind) = (Site::new(), Site::new());
    let mut browser = logged_in(&site, "ada").await;
    let before = browser.cookie.clone();
    assert_eq!(who(&behind.layer, &mut browser).await, None);
    let blind = async |session: Session| session.set_blind("n", &1).map(|()| 200);
    let visit = browser.visit(&behind.layer, blind).await;
    assert_eq!((visit.status(), visit.set_cookie()), (200, None), "it has ended, for all it knows");
    let update = async |session: Session| session.renew().await.map(|()| 200);
    assert_eq!(browser.visit(&behind.layer, update).await.set_cookie(), None);
    assert_eq!(browser.cookie, before);
    assert!(is(&site.layer, &mut browser, "ada").await);
}

//! Where the two have parted: each as the shortest sequence that shows it.

use super::script::{Asked, Control, Method, Plan, Wish};
use super::{Edges, Got};
use terrace_cdn_edge::Profile;

const HOST: &str = "example.com";

fn asked() -> Asked {
    Asked {
        method: Method::Get,
        url: 0,
        wish: Wish::None,
        chosen: None,
        authorization: false,
        cookie: false,
        if_none_match: None,
        range: false,
    }
}

/// A page that is fresh for so long.
fn page(max_age: u64) -> Plan {
    Plan {
        status: Some(200),
        version: 0,
        has_etag: true,
        control: Control { max_age: Some(max_age), ..Control::default() },
        vary: false,
        age: None,
        made: Some(0),
        sets_cookie: false,
    }
}

fn status(got: &Got) -> (bool, u16) {
    match got {
        Got::Response { hit, status, .. } => (*hit, *status),
        Got::Error => panic!("the origin's own error"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_with_stale_if_error_hides_a_503() {
    let edges = Edges::new(Profile::Secure);
    let mut plan = page(0);
    plan.control.if_error = Some(60);
    edges.ask(HOST, &asked(), &plan).await;
    plan.status = Some(503);
    let (got, seen) = edges.ask(HOST, &asked(), &plan).await;
    assert_eq!((status(&got), seen.len()), ((true, 200), 1));
    // The control: a page without.
    let other = Asked { url: 1, ..asked() };
    edges.ask(HOST, &other, &page(0)).await;
    let (got, _) = edges.ask(HOST, &other, &Plan { status: Some(503), ..page(0) }).await;
    assert_eq!(status(&got), (false, 503));
}

#[tokio::test(start_paused = true)]
async fn a_304_for_somebody_with_a_cookie_does_not_evict_everybodys_page() {
    let edges = Edges::new(Profile::Secure);
    edges.ask(HOST, &asked(), &page(0)).await;
    let (_, seen) = edges.ask(HOST, &Asked { cookie: true, ..asked() }, &page(60)).await;
    assert_eq!(seen[0].if_none_match.as_deref(), Some("\"0-200\""));
    let (_, seen) = edges.ask(HOST, &asked(), &page(60)).await;
    assert_eq!(seen[0].if_none_match.as_deref(), Some("\"0-200\""), "it is still there");
    // The control: one that nobody may store takes it away.
    let mut private = page(0);
    private.control.private = true;
    edges.purge(HOST, &super::Purge::Url(0, false));
    edges.ask(HOST, &asked(), &private).await;
    let (_, seen) = edges.ask(HOST, &asked(), &page(60)).await;
    assert_eq!(seen[0].if_none_match, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_wants_nothing_stored_does_not_evict_the_page_it_is_served() {
    let edges = Edges::new(Profile::Rfc);
    let mut page = page(0);
    page.control.while_revalidate = Some(60);
    edges.ask(HOST, &asked(), &page).await;
    // Served, and asked for again behind it: 304.
    let (_, seen) = edges.ask(HOST, &Asked { wish: Wish::NoStore, ..asked() }, &page).await;
    assert_eq!(seen[0].if_none_match.as_deref(), Some("\"0-200\""));
    let (got, _) = edges.ask(HOST, &asked(), &page).await;
    assert_eq!(status(&got), (true, 200));
    // The control: where the origin has something else, it is not stored for them either.
    let other = Asked { url: 1, ..asked() };
    edges.ask(HOST, &Asked { wish: Wish::NoStore, ..other.clone() }, &page).await;
    let (got, _) = edges.ask(HOST, &other, &page).await;
    assert_eq!(status(&got), (false, 200));
}

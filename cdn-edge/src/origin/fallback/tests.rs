use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};
use tower_service::Service;

use super::{AnsweredBy, first_of};
use crate::origin::rule::{self, Rule};
use crate::origin::{BoxError, OriginError, ServerErrors};

/// What an origin says.
#[derive(Clone, Copy)]
enum Says {
    Status(u16),
    NotConnected,
    TooLate,
    BadRequest,
}
use Says::{BadRequest, NotConnected, Status, TooLate};

/// Who was asked, by place, and for what.
type Log = Arc<Mutex<Vec<(usize, String)>>>;

fn origin(
    place: usize,
    says: Says,
    log: &Log,
) -> impl Service<Request<Full<Bytes>>, Response = Response<()>, Error = BoxError, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let log = Arc::clone(log);
    service_fn(move |request: Request<Full<Bytes>>| {
        log.lock().unwrap().push((place, format!("{} {}", request.method(), request.uri())));
        async move {
            match says {
                Status(code) => {
                    let mut response = Response::new(());
                    *response.status_mut() = StatusCode::from_u16(code).unwrap();
                    Ok(response)
                }
                NotConnected => Err(OriginError::Connect("refused".into()).into()),
                TooLate => Err(OriginError::FirstByteTimeout(Duration::from_secs(1)).into()),
                BadRequest => Err(OriginError::Request("too long".into()).into()),
            }
        }
    })
}

/// The answer, and who was asked.
async fn ask<const N: usize>(
    method: Method,
    body: &'static str,
    says: [Says; N],
) -> (Result<Response<()>, OriginError>, Vec<usize>) {
    let log = Log::default();
    let mut place = 0..;
    let origins = says.map(|says| origin(place.next().unwrap(), says, &log));
    let service = first_of(origins).unwrap();
    let request = Request::builder().method(&method).uri("/x?y").body(Full::from(body)).unwrap();
    let answer = service.oneshot(request).await;
    let log = std::mem::take(&mut *log.lock().unwrap());
    assert!(log.iter().all(|(_, asked)| *asked == format!("{method} /x?y")));
    (answer, log.into_iter().map(|(place, _)| place).collect())
}

#[tokio::test]
async fn whatever_means_down_sends_to_the_next() {
    for says in [NotConnected, TooLate, Status(503)] {
        let (answer, asked) = ask(Method::GET, "", [says, Status(200)]).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status(), asked), (StatusCode::OK, vec![0, 1]));
        assert_eq!(answer.extensions().get(), Some(&AnsweredBy(1)));
    }
}

#[tokio::test]
async fn an_origin_that_answers_is_the_only_one_asked() {
    for code in [200, 304, 404, 500] {
        let (answer, asked) = ask(Method::GET, "", [Status(code), Status(200)]).await;
        assert_eq!((answer.unwrap().status().as_u16(), asked), (code, vec![0]));
    }
}

#[tokio::test]
async fn what_cannot_be_asked_twice_is_asked_once() {
    for (method, body) in [(Method::POST, ""), (Method::DELETE, ""), (Method::GET, "fat")] {
        let (answer, asked) = ask(method, body, [NotConnected, Status(200)]).await;
        assert!(matches!(answer, Err(OriginError::Connect(_))), "{answer:?}");
        assert_eq!(asked, [0]);
    }
    let (answer, asked) = ask(Method::GET, "", [BadRequest, Status(200)]).await;
    assert!(matches!(answer, Err(OriginError::Request(_))), "{answer:?}");
    assert_eq!(asked, [0]);
}

#[tokio::test]
async fn a_copy_that_lacks_the_page_does_not_say_that_there_is_none() {
    let (answer, asked) = ask(Method::GET, "", [TooLate, Status(404), Status(503)]).await;
    assert!(matches!(answer, Err(OriginError::FirstByteTimeout(_))), "{answer:?}");
    assert_eq!(asked, [0, 1, 2]);
    let (answer, _) = ask(Method::GET, "", [Status(502), NotConnected]).await;
    assert_eq!(answer.unwrap().extensions().get(), Some(&AnsweredBy(0)));
}

#[tokio::test]
async fn control_without_its_safeguards_it_would_send_a_post_twice_and_lose_a_page() {
    let _off = rule::off(Rule::OnlyReads);
    let (_, asked) = ask(Method::POST, "", [NotConnected, Status(200)]).await;
    assert_eq!(asked, [0, 1]);
    let _off = rule::off(Rule::OnlyGood);
    let (answer, _) = ask(Method::GET, "", [TooLate, Status(404)]).await;
    assert_eq!(answer.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_statuses_that_mean_down_are_the_users() {
    let log = Log::default();
    let origins = [origin(0, Status(500), &log), origin(1, Status(200), &log)];
    let service = first_of(origins).unwrap();
    let service = service.server_errors(ServerErrors::new([500]).unwrap());
    let answer = service.oneshot(Request::new(Full::default())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[test]
fn no_origin_at_all_is_refused_by_name() {
    let error = first_of::<()>([]).unwrap_err();
    assert_eq!(error.to_string(), "origins must be at least 1, not 0");
}

use std::collections::VecDeque;
use std::future::pending;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::{advance, timeout};

use super::*;
use crate::token::Tag;

/// What the store does next.
#[derive(Debug)]
enum Next {
    Refuses,
    IsInvalid,
    Hangs,
    Waits(oneshot::Receiver<()>),
}

/// Does as it is told, and answers when nobody told it anything.
#[derive(Debug, Default)]
struct Told {
    next: Mutex<VecDeque<Next>>,
    asked: Mutex<usize>,
}

impl Told {
    async fn does(&self) -> Result<(), StoreError> {
        *self.asked.lock().unwrap() += 1;
        let next = self.next.lock().unwrap().pop_front();
        match next {
            None => Ok(()),
            Some(Next::Refuses) => Err(StoreError::Unavailable("refused".into())),
            Some(Next::IsInvalid) => Err(StoreError::Invalid("nonsense".into())),
            Some(Next::Hangs) => pending().await,
            Some(Next::Waits(until)) => {
                until.await.map_err(|gone| StoreError::Unknown(gone.into()))
            }
        }
    }
}

#[async_trait]
impl Store for Told {
    async fn load(&self, _: &SessionKey, _: Touch) -> Result<Option<Loaded>, StoreError> {
        self.does().await.map(|()| None)
    }

    async fn create(&self, _: &SessionKey, _: &NewSession) -> Result<Created, StoreError> {
        self.does().await.map(|()| Created::Exists)
    }

    async fn patch(
        &self,
        _: &SessionKey,
        _: &Patch,
        _: Guard,
        _: Limits,
    ) -> Result<Patched, StoreError> {
        self.does().await.map(|()| Patched::Gone)
    }

    async fn rotate(
        &self,
        _: &SessionKey,
        _: &SessionKey,
        _: &Rotation,
    ) -> Result<Rotated, StoreError> {
        self.does().await.map(|()| Rotated::Gone)
    }

    async fn delete(&self, _: &SessionKey) -> Result<bool, StoreError> {
        self.does().await.map(|()| false)
    }

    async fn list(&self, _: &Subject) -> Result<Vec<Listed>, StoreError> {
        self.does().await.map(|()| Vec::new())
    }

    async fn revoke(&self, _: &Subject, _: Option<&SessionKey>) -> Result<u64, StoreError> {
        self.does().await.map(|()| 0)
    }

    async fn epoch(&self, _: &Subject) -> Result<Epoch, StoreError> {
        self.does().await.map(|()| Epoch(0))
    }

    async fn sweep(&self, _: usize) -> Result<usize, StoreError> {
        self.does().await.map(|()| 0)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process()
    }
}

fn told(next: impl IntoIterator<Item = Next>) -> (Arc<Told>, Guarded) {
    let store = Arc::new(Told { next: Mutex::new(next.into_iter().collect()), ..Told::default() });
    (Arc::clone(&store), Guarded::new(store))
}

fn asked(store: &Told) -> usize {
    *store.asked.lock().unwrap()
}

const KEY: SessionKey = SessionKey::new(Tag([0; 4]), [7; 32]);

async fn load(guarded: &Guarded) -> Result<Option<Loaded>, StoreError> {
    guarded.load(&KEY, Touch::Never).await
}

fn open(result: Result<Option<Loaded>, StoreError>) -> Option<CircuitOpen> {
    match result {
        Err(StoreError::Unavailable(source)) => source.downcast_ref().copied(),
        _ => None,
    }
}

fn refusals() -> impl Iterator<Item = Next> {
    (0..FAILURES).map(|_| Next::Refuses)
}

async fn fails(guarded: &Guarded) {
    for _ in 0..FAILURES {
        load(guarded).await.unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_takes_too_long_is_unknown_and_says_how_long() {
    let (_, guarded) = told([Next::Hangs]);
    let began = Instant::now();
    let Err(StoreError::Unknown(source)) = load(&guarded).await else { panic!("no time limit") };
    assert_eq!(source.downcast_ref(), Some(&TimedOut { limit: TIME_LIMIT }));
    assert_eq!(Instant::now() - began, TIME_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_five_times_is_left_alone_for_a_second() {
    let (store, guarded) = told(refusals());
    fails(&guarded).await;
    assert_eq!((guarded.state(), guarded.opened()), (CircuitState::Open, 1));
    advance(Duration::from_millis(400)).await;
    let told = open(load(&guarded).await).unwrap();
    assert_eq!(told.retry_after, Duration::from_millis(600));
    assert_eq!(asked(&store), 5);
    advance(Duration::from_millis(600)).await;
    load(&guarded).await.unwrap();
    assert_eq!((guarded.state(), asked(&store)), (CircuitState::Closed, 6));
}

#[tokio::test(start_paused = true)]
async fn control_with_more_patience_it_is_asked_a_sixth_time() {
    let (store, guarded) = told(refusals());
    let guarded = guarded.failures(FAILURES + 1);
    fails(&guarded).await;
    load(&guarded).await.unwrap();
    assert_eq!(asked(&store), 6);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_costs_one_request_a_second_its_time() {
    let (store, guarded) = told((0..100).map(|_| Next::Hangs));
    fails(&guarded).await;
    let began = Instant::now();
    let mut waited = 0;
    while Instant::now() < began + Duration::from_secs(10) {
        let before = Instant::now();
        load(&guarded).await.unwrap_err();
        waited += usize::from(Instant::now() > before);
        advance(Duration::from_millis(10)).await;
    }
    assert_eq!((waited, asked(&store)), (8, 5 + 8), "a second's pause and 250 ms, in ten seconds");
}

#[tokio::test(start_paused = true)]
async fn what_is_invalid_is_an_answer() {
    let (_, guarded) = told((0..20).map(|_| Next::IsInvalid));
    for _ in 0..20 {
        load(&guarded).await.unwrap_err();
    }
    assert_eq!(guarded.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_operation_from_before_it_opened_does_not_close_it() {
    let (release, until) = oneshot::channel();
    let (_, guarded) = told([Next::Waits(until)].into_iter().chain(refusals()));
    let mut early = Box::pin(load(&guarded));
    assert!(early.as_mut().now_or_never().is_none());
    fails(&guarded).await;
    release.send(()).unwrap();
    early.await.unwrap();
    assert_eq!(guarded.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn one_request_finds_out_and_if_it_gives_up_the_next_one_does() {
    let (store, guarded) = told(refusals().chain([Next::Hangs]));
    fails(&guarded).await;
    advance(PAUSE).await;
    let mut probe = Box::pin(load(&guarded));
    assert!(probe.as_mut().now_or_never().is_none());
    assert_eq!(guarded.state(), CircuitState::Probing);
    assert_eq!(open(load(&guarded).await).unwrap().retry_after, Duration::ZERO);
    drop(probe);
    load(&guarded).await.unwrap();
    assert_eq!((guarded.state(), asked(&store)), (CircuitState::Closed, 7));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_has_time_and_says_nothing_about_the_store() {
    let (_, guarded) = told((0..10).map(|_| Next::Hangs));
    let began = Instant::now();
    for _ in 0..FAILURES {
        guarded.sweep(1).await.unwrap_err();
    }
    assert_eq!(Instant::now() - began, SWEEP_LIMIT * FAILURES);
    assert_eq!(guarded.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn nobody_sweeps_a_store_that_fails() {
    let (store, guarded) = told(refusals());
    fails(&guarded).await;
    // It would be asked again by now, but not by a sweep, which might take long to find out.
    advance(PAUSE).await;
    guarded.sweep(1).await.unwrap_err();
    assert_eq!(asked(&store), 5);
}

#[tokio::test(start_paused = true)]
async fn every_operation_has_the_limit() {
    let (_, guarded) = told((0..7).map(|_| Next::Hangs));
    let guarded = guarded.failures(100);
    let subject = Subject { id: "eve".into(), tag: Tag::default() };
    let new = NewSession {
        authentication: None,
        values: crate::record::Values::new(),
        lifetime: crate::expiry::Expiry::default().lifetime(),
    };
    let rotation = Rotation {
        change: crate::store::Change::Elevate,
        patch: Patch::default(),
        limits: Limits::default(),
        lifetime: new.lifetime,
    };
    let limits = Limits::default();
    let all = async {
        guarded.create(&KEY, &new).await.unwrap_err();
        guarded.patch(&KEY, &Patch::default(), Guard::Exists, limits).await.unwrap_err();
        guarded.rotate(&KEY, &KEY, &rotation).await.unwrap_err();
        guarded.delete(&KEY).await.unwrap_err();
        guarded.list(&subject).await.unwrap_err();
        guarded.revoke(&subject, None).await.unwrap_err();
        guarded.epoch(&subject).await.unwrap_err();
    };
    timeout(TIME_LIMIT * 7, all).await.expect("an operation waits for longer");
}

#[test]
fn a_store_that_is_ready_needs_no_runtime_and_no_timer() {
    let (_, guarded) = told([]);
    load(&guarded).now_or_never().expect("it is ready").unwrap();
}

#[test]
fn an_operation_allocates_its_future_and_nothing_else() {
    let (store, guarded) = told([]);
    let bare = || (*store).load(&KEY, Touch::Never).now_or_never().unwrap().unwrap();
    let around = || load(&guarded).now_or_never().unwrap().unwrap();
    let bare = allocation_counter::measure(|| drop(bare())).count_total;
    let around = allocation_counter::measure(|| drop(around())).count_total;
    assert_eq!(around, bare + 1);
}

#[test]
fn errors_say_what_happens_next() {
    let open = |retry_after| CircuitOpen { retry_after }.to_string();
    assert_eq!(
        open(Duration::from_millis(600)),
        "it has failed too often, and is asked again in 600ms"
    );
    assert_eq!(
        open(Duration::ZERO),
        "it has failed too often, and a request is finding out how it is"
    );
    assert_eq!(TimedOut { limit: TIME_LIMIT }.to_string(), "it took longer than 250ms");
}

use std::sync::{Arc, Mutex};

use super::{Cell, During, Gate, Op, Source, Subject, World, Writer, run};

/// What a node remembers.
trait Memory: Clone + Default + Send + Sync + 'static {
    fn get(&self) -> Option<u64>;
    fn keep(&self, value: u64);
    fn forget(&self);
}

/// No cache at all.
#[derive(Clone, Default)]
struct Nothing;

impl Memory for Nothing {
    fn get(&self) -> Option<u64> {
        None
    }

    fn keep(&self, _: u64) {}

    fn forget(&self) {}
}

/// The first value for ever.
#[derive(Clone, Default)]
struct Forever(Arc<Mutex<Option<u64>>>);

impl Memory for Forever {
    fn get(&self) -> Option<u64> {
        *self.0.lock().unwrap()
    }

    fn keep(&self, value: u64) {
        self.0.lock().unwrap().get_or_insert(value);
    }

    fn forget(&self) {}
}

struct Of<M>(Source, std::marker::PhantomData<M>);

#[derive(Clone)]
struct Node<M>(Source, M);

impl<M: Memory> World for Of<M> {
    type Node = Node<M>;

    fn new(source: Source) -> Self {
        Self(source, std::marker::PhantomData)
    }

    fn node(&self) -> Node<M> {
        Node(self.0.clone(), M::default())
    }

    fn has(cell: Cell) -> bool {
        cell.writer == Writer::Here && matches!(cell.during, During::Load | During::Quiet)
    }
}

impl<M: Memory> Subject for Node<M> {
    async fn read(&self) -> Result<u64, String> {
        if let Some(value) = self.1.get() {
            return Ok(value);
        }
        let value = self.0.load().await;
        self.1.keep(value);
        Ok(value)
    }

    async fn write(&self, _: Op) -> Result<(), String> {
        self.0.change();
        self.1.forget();
        Ok(())
    }

    fn peek(&self) -> Option<u64> {
        self.1.get()
    }
}

#[tokio::test(start_paused = true)]
async fn who_keeps_nothing_is_never_at_fault() {
    let matrix = run::<Of<Nothing>>().await;
    assert_eq!(matrix.faults(), [""; 0]);
    assert_eq!(matrix.0.len(), 8);
    assert!(matrix.0.iter().all(|row| row.readers == row.orders * 12), "{matrix}");
}

#[tokio::test(start_paused = true)]
async fn who_keeps_the_first_value_for_ever_is_at_fault_in_every_order() {
    let matrix = run::<Of<Forever>>().await;
    assert!(matrix.0.iter().all(|row| row.faults.len() == row.orders), "{matrix}");
}

#[tokio::test]
async fn a_gate_holds_one_and_lets_the_others_pass() {
    let gate = Gate::new();
    gate.pass().await;
    assert!(!gate.arrived().await);
    gate.hold_next();
    let held = tokio::spawn({
        let gate = gate.clone();
        async move { gate.pass().await }
    });
    assert!(gate.arrived().await);
    gate.pass().await;
    assert!(!held.is_finished());
    gate.release();
    held.await.unwrap();
}

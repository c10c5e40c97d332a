use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use terrace_testkit::races::{Cell, During, Op, Source, Subject, World, Writer};

/// What people write first: look, load, insert; and a write removes or inserts.
pub(crate) struct Naive(Source);

#[derive(Clone)]
pub(crate) struct Node {
    source: Source,
    values: Arc<Mutex<HashMap<u64, u64>>>,
}

impl World for Naive {
    type Node = Node;

    fn new(source: Source) -> Self {
        Self(source)
    }

    fn node(&self) -> Node {
        Node { source: self.0.clone(), values: Arc::default() }
    }

    fn has(cell: Cell) -> bool {
        let durings =
            [During::Load, During::Quiet, During::CancelledLeader, During::PanickingLoader];
        cell.writer == Writer::Here && durings.contains(&cell.during)
    }
}

impl Subject for Node {
    async fn read(&self) -> Result<u64, String> {
        if let Some(value) = self.peek() {
            return Ok(value);
        }
        let Self { source, values } = self.clone();
        // Detached, so that a reader who leaves does not end the load.
        let load = tokio::spawn(async move {
            let value = source.load().await;
            values.lock().unwrap().insert(1, value);
            value
        });
        load.await.map_err(|error| error.to_string())
    }

    async fn write(&self, op: Op) -> Result<(), String> {
        let value = self.source.change();
        let mut values = self.values.lock().unwrap();
        match op {
            Op::Insert => drop(values.insert(1, value)),
            Op::Invalidate | Op::Clear | Op::Tag => values.clear(),
        }
        Ok(())
    }

    fn peek(&self) -> Option<u64> {
        self.values.lock().unwrap().get(&1).copied()
    }
}

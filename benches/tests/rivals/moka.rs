//! The race matrix that `terrace-cache` passes, played by moka's `get_with` and its invalidations: the
//! control that shows that the matrix can fail.

use ::moka::future::Cache;
use terrace_testkit::races::{Cell, During, Matrix, Op, Source, Subject, World, Writer, run};

struct Moka(Source);

#[derive(Clone)]
struct Node {
    source: Source,
    cache: Cache<u64, u64>,
}

const KEY: u64 = 1;

impl World for Moka {
    type Node = Node;

    fn new(source: Source) -> Self {
        Self(source)
    }

    fn node(&self) -> Node {
        let cache = Cache::builder().max_capacity(100).support_invalidation_closures().build();
        Node { source: self.0.clone(), cache }
    }

    /// It has no refresh in the background, no second level and no bus.
    fn has(cell: Cell) -> bool {
        let durings =
            [During::Load, During::Quiet, During::CancelledLeader, During::PanickingLoader];
        cell.writer == Writer::Here && durings.contains(&cell.during)
    }
}

impl Subject for Node {
    async fn read(&self) -> Result<u64, String> {
        let Self { source, cache } = self.clone();
        Ok(cache.get_with(KEY, async move { source.load().await }).await)
    }

    async fn write(&self, op: Op) -> Result<(), String> {
        let value = self.source.change();
        match op {
            Op::Invalidate => self.cache.invalidate(&KEY).await,
            Op::Insert => self.cache.insert(KEY, value).await,
            Op::Clear => self.cache.invalidate_all(),
            // The nearest that it has to tags.
            Op::Tag => {
                let all = self.cache.invalidate_entries_if(|_, _| true);
                all.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<u64> {
        // Its `get` needs no runtime's help: it is ready at once.
        futures_util::FutureExt::now_or_never(self.cache.get(&KEY)).flatten()
    }
}

/// What was seen with moka 0.12.16: cells in which a reader gets the old value after the write.
fn is_known_to_lose(cell: Cell) -> bool {
    cell.during == During::Load
}

fn verdicts(matrix: &Matrix) -> Vec<String> {
    let verdict =
        |row: &terrace_testkit::races::Row| match (row.is_at_fault(), is_known_to_lose(row.cell)) {
            (true, true) => format!("{}: shows the fault", row.cell),
            (false, true) => format!("{}: no longer does", row.cell),
            (true, false) => {
                format!("{}: shows a fault that it did not: {:?}", row.cell, row.faults)
            }
            (false, false) => format!("{}: as promised", row.cell),
        };
    matrix.0.iter().map(verdict).collect()
}

#[tokio::test(start_paused = true)]
async fn moka_serves_the_old_value_where_a_write_comes_during_its_load() {
    let matrix = run::<Moka>().await;
    println!("moka 0.12.16\n{matrix}{:#?}", verdicts(&matrix));
    for row in &matrix.0 {
        assert_eq!(row.is_at_fault(), is_known_to_lose(row.cell), "{}: {:?}", row.cell, row.faults);
    }
}

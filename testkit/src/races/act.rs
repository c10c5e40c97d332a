//! One cell: how each of its orders is brought about.

use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use tokio::time::advance;

use super::{Bus, Cell, During, Gate, Matrix, Row, Source, Subject, World, Writer};

/// The old value, which nobody may get in the end.
const OLD: u64 = 1;
/// So many steps after the release the write happens at the latest. What a load does after it ended
/// takes fewer.
const LATEST: usize = 8;
/// Readers after the acknowledgement, one a step.
const READERS: usize = 12;
/// Steps after which everything that was begun is over.
const SETTLED: usize = 64;

/// Plays every cell that this world has, in all its orders.
pub async fn run<W: World>() -> Matrix {
    let mut matrix = Matrix::default();
    for cell in Cell::all::<W>() {
        let mut row = Row { cell, orders: 0, readers: 0, faults: Vec::new() };
        let points = match W::points(cell.during) {
            [] => &["source"],
            points => points,
        };
        for point in points {
            for step in 0..=LATEST {
                row.orders += 1;
                match play::<W>(cell, point, step).await {
                    Ok(readers) => row.readers += readers,
                    Err(fault) => row.faults.push(format!("{point}, step {step}: {fault}")),
                }
            }
        }
        matrix.0.push(row);
    }
    matrix
}

/// Those who must not get the old value.
struct Readers<N>(N, Vec<JoinHandle<Result<u64, String>>>);

impl<N: Subject> Readers<N> {
    fn come(&mut self) {
        let node = self.0.clone();
        self.1.push(tokio::spawn(async move { node.read().await }));
    }
}

/// One order. `step` 0: the write is acknowledged, and then what is held goes on. Others: it goes on,
/// and so many steps later comes the write.
async fn play<W: World>(cell: Cell, point: &str, step: usize) -> Result<usize, String> {
    let source = Source::new();
    let world = W::new(source.clone());
    let (here, there) = (world.node(), world.node());
    let writer = if cell.writer == Writer::Here { here.clone() } else { there.clone() };
    set_the_stage::<W>(cell.during, &source, &here, &there).await?;

    let gate = match cell.during {
        During::Fill | During::Share => world.gate(point),
        _ => source.gate(),
    };
    let leader = begin(cell.during, &gate, &here).await?;

    let far = matches!(cell.writer, Writer::Told | Writer::Lost);
    if far {
        world.bus(Bus::Hold);
        writer.write(cell.op).await?;
    }
    let mut readers = Readers(here.clone(), Vec::new());
    if step > 0 {
        gate.release();
        for _ in 1..step {
            yield_now().await;
        }
    }
    match cell.writer {
        Writer::Here | Writer::There => writer.write(cell.op).await?,
        Writer::Told => world.bus(Bus::Deliver),
        Writer::Lost => {
            world.bus(Bus::Lose);
            advance(W::L1_MAX_AGE.unwrap_or_default() + Duration::from_millis(1)).await;
        }
    }
    for reader in 0..READERS {
        // Some come while it is still held.
        if step == 0 && reader == READERS / 3 {
            gate.release();
        }
        readers.come();
        yield_now().await;
    }

    let may_fail = cell.during == During::PanickingLoader;
    let checked = all_new(readers, may_fail).await?;
    if let Some(leader) = leader {
        let _ = leader.await;
    }
    settle().await;
    advance(W::BACKOFF).await;
    nowhere_old(&world, &here, &there, cell.writer).await?;
    Ok(checked)
}

async fn set_the_stage<W: World>(
    during: During,
    source: &Source,
    here: &W::Node,
    there: &W::Node,
) -> Result<(), String> {
    match during {
        During::Load | During::Share | During::CancelledLeader => {}
        During::PanickingLoader => source.panic_once(),
        During::Quiet => expect(here.read().await, OLD)?,
        During::Refresh => {
            expect(here.read().await, OLD)?;
            settle().await;
            advance(W::STALE_AFTER.unwrap_or_default()).await;
        }
        During::Fill => {
            expect(there.read().await, OLD)?;
            settle().await;
        }
    }
    Ok(())
}

/// Lets what the cell is about begin, until it is held. Two readers come before the write, who may get
/// what they like.
async fn begin<N: Subject>(
    during: During,
    gate: &Gate,
    here: &N,
) -> Result<Option<JoinHandle<Result<u64, String>>>, String> {
    if during == During::Quiet {
        return Ok(None);
    }
    gate.hold_next();
    let read = |node: N| tokio::spawn(async move { node.read().await });
    let leader = read(here.clone());
    if !gate.arrived().await {
        return Err("nothing came to the gate: this order shows nothing".into());
    }
    let second = read(here.clone());
    yield_now().await;
    if during == During::CancelledLeader {
        leader.abort();
        yield_now().await;
        return Ok(Some(second));
    }
    Ok(Some(leader))
}

async fn all_new<N>(readers: Readers<N>, may_fail: bool) -> Result<usize, String> {
    let mut checked = 0;
    for (at, reader) in readers.1.into_iter().enumerate() {
        match reader.await {
            Ok(Ok(value)) if value > OLD => checked += 1,
            Ok(Ok(_)) => return Err(format!("reader {at} after the write got the old value")),
            // No value is not an old one.
            Ok(Err(_)) | Err(_) if may_fail => checked += 1,
            Ok(Err(error)) => return Err(format!("reader {at} got an error: {error}")),
            Err(error) => return Err(format!("reader {at} died: {error}")),
        }
    }
    Ok(checked)
}

async fn nowhere_old<W: World>(
    world: &W,
    here: &W::Node,
    there: &W::Node,
    writer: Writer,
) -> Result<(), String> {
    // Who wrote is up to date also if nobody else was told.
    let told = writer != Writer::Here || W::L1_MAX_AGE.is_some();
    if here.peek() == Some(OLD) || (told && there.peek() == Some(OLD)) {
        return Err("the old value is still in memory".into());
    }
    match world.node().read().await {
        Ok(OLD) => return Err("the old value is still at the second level".into()),
        Ok(_) => {}
        Err(error) => return Err(format!("a new node got an error: {error}")),
    }
    expect(here.read().await, OLD + 1)
}

fn expect(read: Result<u64, String>, value: u64) -> Result<(), String> {
    match read {
        Ok(read) if read == value => Ok(()),
        other => Err(format!("{value} was to be read, not {other:?}")),
    }
}

async fn settle() {
    for _ in 0..SETTLED {
        yield_now().await;
    }
}

use std::fmt;

use super::Cell;

/// What one cell came to.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub cell: Cell,
    /// How many orders were played.
    pub orders: usize,
    /// Reads that had to have the new value.
    pub readers: usize,
    /// What went wrong, at most one an order.
    pub faults: Vec<String>,
}

/// All cells of one world.
#[derive(Clone, Debug, Default)]
pub struct Matrix(pub Vec<Row>);

impl Row {
    /// Whether the old value was seen where it must not be.
    #[must_use]
    pub fn is_at_fault(&self) -> bool {
        !self.faults.is_empty()
    }
}

impl Matrix {
    /// The first fault of each cell that has one.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let faults = self.0.iter().filter_map(|row| {
            let first = row.faults.first()?;
            Some(format!("{}: {first} (and {} more)", row.cell, row.faults.len() - 1))
        });
        faults.collect()
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "write      | during          | from  | orders | readers | faults")?;
        for Row { cell, orders, readers, faults } in &self.0 {
            writeln!(f, "{cell} | {orders:>6} | {readers:>7} | {:>6}", faults.len())?;
        }
        Ok(())
    }
}

//! Statements on what the pool hands out, and without taking a connection in hand.
//!
//! A statement is prepared once per connection and found by its text from then on.

mod reading;
mod transaction;
mod writing;

use std::sync::Arc;

use tokio_postgres::Row;

use super::exchange::Found;
use crate::error::{Error, ErrorKind, Outcome};

/// The outcome is that of a statement whose rows are not the expected ones.
fn one(found: Found, outcome: Outcome, node: &str) -> Result<Row, Error> {
    match at_most_one(found, outcome, node)? {
        Some(row) => Ok(row),
        None => Err(miscounted("no row came where one was expected", outcome, node)),
    }
}

fn at_most_one(found: Found, outcome: Outcome, node: &str) -> Result<Option<Row>, Error> {
    match found {
        Found::Nothing => Ok(None),
        Found::One(row) => Ok(Some(row)),
        Found::Many => Err(miscounted("several rows came where one was expected", outcome, node)),
    }
}

fn miscounted(message: &str, outcome: Outcome, node: &str) -> Error {
    Error::new(ErrorKind::Statement, outcome).node(&Arc::from(node)).message(message)
}

//! What an error of hyper-util's says about the request.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use hyper_util::client::legacy::Error;

use super::connect::Answered;
use crate::origin::rule::{Rule, on};
use crate::origin::{BoxError, OriginError};

/// The body of the request failed. A type of its own, so that it is found below hyper's errors.
#[derive(Debug)]
pub(super) struct RequestBody(pub(super) BoxError);

impl fmt::Display for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body of the request failed")
    }
}

impl StdError for RequestBody {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

pub(super) fn read(error: Error) -> OriginError {
    let hyper = below::<hyper::Error>(&error);
    if error.is_connect() {
        OriginError::Connect(error.into())
    } else if below::<RequestBody>(&error).is_some() || StdError::source(&error).is_none() {
        // Without a source, it is a request that no connection was asked for.
        OriginError::Request(error.into())
    } else if hyper.is_some_and(hyper::Error::is_canceled) {
        OriginError::Unsent(error.into())
    } else {
        OriginError::Exchange(error.into())
    }
}

/// Whether it is the end of a connection that had answered before, and nothing of an answer came.
pub(super) fn is_of_age(error: &Error) -> bool {
    let ended = below::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message)
        || below::<io::Error>(error).is_some_and(|error| {
            use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        });
    ended && (Answered::before(error) || !on(Rule::OnlyOld))
}

/// The first of this type among the sources.
fn below<T: StdError + 'static>(error: &Error) -> Option<&T> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

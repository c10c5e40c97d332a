//! What a request says and what a response looks like, apart from what it is about.

pub(crate) mod client;
pub(crate) mod error;
pub(crate) mod negotiate;
pub(crate) mod params;
pub(crate) mod visit;
pub(crate) mod xml;

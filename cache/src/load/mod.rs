//! Loaders: what a cache calls when it has no value.

mod context;
mod loader;

pub(crate) use self::context::Said;
pub use self::context::{BatchCx, LoadCx};
pub(crate) use self::loader::{Loaders, Once, once};

//! The edge: the layer, its service, and what they need to carry decisions out.

mod again;
mod body;
mod builder;
mod clock;
#[cfg(feature = "admin")]
mod control;
mod error;
mod fill;
mod flight;
mod forward;
mod future;
mod handle;
mod hot;
mod intake;
mod miss;
mod multipart;
mod numerals;
mod pass;
#[cfg(feature = "admin")]
mod preload;
mod serve;
mod service;
mod shared;

pub use body::{EdgeBody, OriginBody};
pub use builder::EdgeBuilder;
#[cfg(feature = "admin")]
#[cfg_attr(docsrs, doc(cfg(feature = "admin")))]
pub use control::EdgeControl;
pub use error::{BoxError, ConfigError, EdgeFailure};
pub use future::EdgeFuture;
pub use handle::EdgeHandle;
pub use service::{Edge, EdgeLayer};

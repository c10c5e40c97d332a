//! Sign-ins that no app server keeps for itself.
//!
//! A session lives in a store that all app servers share; the cookie has nothing but a signed number that leads to
//! it. So any of them answers any request, and one that dies takes nobody's sign-in with it.
//!
//! - [`Place`] says where sessions live, and [`open`] opens them there.
//! - [`SessionIdentity`] knows listeners by their session.
//! - [`Shelf`] is what a stranger keeps until they sign in.

mod identity;
mod place;
mod shelf;

pub use identity::SessionIdentity;
pub use place::{Opened, Place, open};
pub use shelf::Shelf;

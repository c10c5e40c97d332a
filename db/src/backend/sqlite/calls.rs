//! The embedded backend's own methods on the pool's guards.

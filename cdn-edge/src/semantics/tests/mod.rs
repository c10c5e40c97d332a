//! The decisions, clause by clause.

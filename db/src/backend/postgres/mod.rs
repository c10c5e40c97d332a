//! PostgreSQL: a primary and its streaming replicas.

//! SQLite: one file, or a cluster of files.

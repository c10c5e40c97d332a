//! The shell over a database in memory, in paused time.

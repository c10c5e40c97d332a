//! A node's configuration file.
//!
//! It lives outside the data directory, because a rewind or a base backup overwrites everything
//! inside with the other server's files, port included.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Settings by name; the last one set counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings(BTreeMap<String, String>);

impl Settings {
    /// What every node gets.
    pub(super) fn base() -> Settings {
        let mut settings = Settings::default();
        for (name, value) in [
            // No sync to disk: what the server wrote survives its own kill -9 in the page cache,
            // and only a power cut would tell the difference.
            ("fsync", "off"),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            // A third of the default start-up time goes into 128 MB of buffers tests do not fill.
            ("shared_buffers", "16MB"),
            // Segments as files of the data directory: a killed server leaves nothing in /dev/shm.
            ("dynamic_shared_memory_type", "mmap"),
            ("huge_pages", "off"),
            ("wal_level", "replica"),
            ("max_wal_senders", "10"),
            ("hot_standby", "on"),
            // A follower that was paused or down finds its place again without an archive.
            ("wal_keep_size", "256MB"),
            ("max_wal_size", "256MB"),
            // What pg_rewind needs to know which pages differ.
            ("wal_log_hints", "on"),
            ("full_page_writes", "on"),
            // The default of 5 s is the time a follower sleeps when its primary is not up yet.
            ("wal_retrieve_retry_interval", "100ms"),
            ("recovery_target_timeline", "latest"),
            ("lc_messages", "C"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("log_line_prefix", "%m [%p] "),
        ] {
            settings.set(name, value);
        }
        settings
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The content of the file.
    pub(super) fn render(&self) -> String {
        self.0.iter().fold(String::new(), |mut file, (name, value)| {
            let _ = writeln!(file, "{name} = '{}'", value.replace('\'', "''"));
            file
        })
    }
}

/// A duration in PostgreSQL's smallest unit for settings.
pub(super) fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_value_wins_and_quotes_are_escaped() {
        let mut settings = Settings::default();
        settings.set("cluster_name", "first");
        settings.set("cluster_name", "it's");
        settings.set("gone", "1");
        settings.unset("gone");
        assert_eq!(settings.render(), "cluster_name = 'it''s'\n");
    }
}

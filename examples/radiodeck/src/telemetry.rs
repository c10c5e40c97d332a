//! Numbers for Prometheus and lines for a person.

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

static METRICS: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts the log: warnings on stderr, or what `RUST_LOG` asks for.
pub fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start, as in a test, keeps the first.
    let _ = subscriber.try_init();
}

/// Installs the recorder behind `/metrics`, once a process.
pub fn start_metrics() {
    METRICS.get_or_init(|| install().ok());
}

fn install() -> Result<PrometheusHandle, BuildError> {
    // Seconds: from the fastest query to the longest a caller waits.
    let seconds = [0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
    // Queries a request: 1 to 4 are normal, two digits are one query a row.
    let queries = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0, 25.0, 50.0, 100.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("duration".to_owned()), &seconds)?
        .set_buckets_for_metric(Matcher::Suffix("per_request".to_owned()), &queries)?
        .install_recorder()?;
    Ok(handle)
}

/// The numbers in Prometheus' text form; nothing before [`start_metrics`].
#[must_use]
pub fn metrics_text() -> String {
    match METRICS.get() {
        Some(Some(handle)) => {
            // Moves recorded samples into their buckets; nothing else does it on a schedule.
            handle.run_upkeep();
            handle.render()
        }
        _ => String::new(),
    }
}

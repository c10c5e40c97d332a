//! What a person reads at the end.

use std::time::Duration;

use super::counts::Counts;
use super::running::Stop;

/// How one step went.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) step: &'static str,
    pub(crate) took: Duration,
    pub(crate) budget: Duration,
    pub(crate) result: Result<(), Stop>,
    pub(crate) counts: Counts,
    pub(crate) skips: Vec<String>,
}

impl Outcome {
    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.result, Err(Stop::Failed(_)))
    }

    fn verdict(&self) -> String {
        let mut verdict = match &self.result {
            Ok(()) if self.counts.is_empty() => "ok".to_owned(),
            Ok(()) => format!("ok, {} tests", self.counts.passed),
            Err(Stop::Failed(_)) if self.counts.failed > 0 => {
                format!(
                    "FAILED, {} of {} tests",
                    self.counts.failed,
                    self.counts.failed + self.counts.passed
                )
            }
            Err(Stop::Failed(_)) => "FAILED".to_owned(),
            Err(Stop::Skipped(_)) => "SKIPPED".to_owned(),
            Err(Stop::Nothing) => "nothing yet".to_owned(),
        };
        if !self.skips.is_empty() {
            verdict.push_str(&format!(", {} SKIPPED", self.skips.len()));
        }
        if self.took > self.budget && !self.is_failed() {
            verdict.push_str(", over budget");
        }
        verdict
    }
}

/// The closing report: broken steps first, then the table, what was skipped, and the sum of tests.
pub(crate) fn render(outcomes: &[Outcome], not_run: &[&str]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        if let Err(Stop::Failed(why)) = &outcome.result {
            text.push_str(&format!("FAILED {}: {why}\n", outcome.step));
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&format!("{:<14} {:>8} {:>8}  {}\n", "step", "time", "budget", "result"));
    let mut counts = Counts::default();
    for outcome in outcomes {
        counts.add(outcome.counts);
        text.push_str(&format!(
            "{:<14} {:>8} {:>8}  {}\n",
            outcome.step,
            seconds(outcome.took),
            seconds(outcome.budget),
            outcome.verdict()
        ));
    }
    let took: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    let budget: Duration = outcomes.iter().map(|outcome| outcome.budget).sum();
    text.push_str(&format!("{:<14} {:>8} {:>8}\n", "together", seconds(took), seconds(budget)));
    if !not_run.is_empty() {
        text.push_str(&format!("not run: {}\n", not_run.join(", ")));
    }
    for outcome in outcomes {
        if let Err(Stop::Skipped(why)) = &outcome.result {
            text.push_str(&format!("SKIPPED {}: {why}\n", outcome.step));
        }
        for skip in &outcome.skips {
            text.push_str(&format!("{}: {skip}\n", outcome.step));
        }
    }
    text.push_str(&format!("\n{} passed, {} failed\n", counts.passed, counts.failed));
    text
}

fn seconds(duration: Duration) -> String {
    if duration.as_secs() < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{}:{:02} m", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(
        step: &'static str,
        took: u64,
        result: Result<(), Stop>,
        passed: usize,
        failed: usize,
    ) -> Outcome {
        Outcome {
            step,
            took: Duration::from_secs(took),
            budget: Duration::from_secs(10),
            result,
            counts: Counts { passed, failed, ignored: 0 },
            skips: Vec::new(),
        }
    }

    #[test]
    fn the_broken_step_comes_first_and_the_sum_last() {
        let report = render(
            &[
                outcome("fmt", 1, Ok(()), 0, 0),
                outcome("unit", 75, Err(Stop::failed("two tests")), 40, 2),
                outcome("live", 3, Ok(()), 7, 0),
            ],
            &["doc"],
        );
        assert!(report.starts_with("FAILED unit: two tests\n"), "{report}");
        assert!(report.contains("1:15 m"), "{report}");
        assert!(report.contains("FAILED, 2 of 42 tests"), "{report}");
        assert!(report.contains("not run: doc\n"), "{report}");
        assert!(report.ends_with("\n47 passed, 2 failed\n"), "{report}");
    }

    #[test]
    fn a_skip_is_loud_and_no_failure() {
        let mut live = outcome("live", 11, Ok(()), 1, 0);
        live.skips.push("SKIPPED redis-server".to_owned());
        let servers = outcome("servers", 1, Err(Stop::Skipped("postgres".to_owned())), 0, 0);
        assert!(!servers.is_failed());
        let report = render(&[servers, live], &[]);
        assert!(report.contains("SKIPPED servers: postgres\n"), "{report}");
        assert!(report.contains("ok, 1 tests, 1 SKIPPED, over budget"), "{report}");
        assert!(report.contains("live: SKIPPED redis-server\n"), "{report}");
    }
}

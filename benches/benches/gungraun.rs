//! The same operations under gungraun, for those who have its runner: histories, cache misses,
//! flame graphs. The gate does not need it: `instructions.rs` holds the counts fast.
//!
//! ```sh
//! cargo install --version 0.20.0 gungraun-runner
//! cargo bench -p terrace-benches --bench gungraun
//! ```

use std::process::Command;

use terrace_testkit::tools;

/// The version of the library and its runner must be the same.
const RUNNER: &str = "gungraun-runner";

// The macros of gungraun make items that nobody documents, and a `main` that cannot skip.
#[allow(missing_docs, unused_qualifications, unreachable_pub)]
mod counted {
    use gungraun::{library_benchmark, library_benchmark_group, main};
    use std::hint::black_box;
    use terrace_benches::ops::Op;
    use terrace_benches::ops::lb::{Echo, Terrace, TerracePick, Tower};

    /// Built and used once: what is made at first use is not the price of an operation.
    fn warm<O: Op + 'static>(mut op: O) -> Box<dyn Op> {
        op.once();
        Box::new(op)
    }

    fn terrace(endpoints: usize) -> Box<dyn Op> {
        warm(Terrace::<Echo>::new(endpoints).expect("distinct names"))
    }

    fn pick(endpoints: usize) -> Box<dyn Op> {
        warm(TerracePick::new(endpoints).expect("distinct names"))
    }

    fn tower(endpoints: usize) -> Box<dyn Op> {
        warm(Tower::<Echo>::new(endpoints))
    }

    #[library_benchmark]
    #[bench::terrace_100(terrace(100))]
    #[bench::terrace_10000(terrace(10_000))]
    #[bench::terrace_pick_100(pick(100))]
    #[bench::terrace_pick_10000(pick(10_000))]
    #[bench::tower_100(tower(100))]
    #[bench::tower_10000(tower(10_000))]
    fn balanced_request(mut op: Box<dyn Op>) -> Box<dyn Op> {
        op.once();
        // Given back, so that taking it down is not counted.
        black_box(op)
    }

    library_benchmark_group!(name = lb, benchmarks = balanced_request);
    main!(library_benchmark_groups = lb);

    pub(super) fn run() {
        main();
    }
}

fn main() {
    let runner = option_env!("GUNGRAUN_RUNNER").unwrap_or(RUNNER);
    let missing = if tools::find("valgrind").is_none() {
        Some("valgrind: see `cargo xtask doctor`")
    } else if Command::new(runner).arg("--version").output().is_err() {
        Some("gungraun-runner: `cargo install --version 0.20.0 gungraun-runner`")
    } else {
        None
    };
    match missing {
        Some(what) => eprintln!("SKIPPED the counts by gungraun: no {what}"),
        None => counted::run(),
    }
}

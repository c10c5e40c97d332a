//! How often a piece of code allocates.
//!
//! Behind the feature `alloc`, because the counting allocator replaces the global one in every
//! binary that links this crate with the feature on: a benchmark beside a rival that allocates
//! would not be fair any more. Libraries switch it on in their dev-dependencies.
//!
//! Only allocations of the calling thread count, and only while the closure runs.
//!
//! # Examples
//!
//! ```
//! use terrace_testkit::alloc;
//!
//! let sum = alloc::assert_allocations(0, || (1..=10).sum::<u64>());
//! assert_eq!(sum, 55);
//!
//! let (_text, allocations) = alloc::count(|| String::from("on the heap"));
//! assert_eq!(allocations.count, 1);
//! ```

/// What a closure allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocations {
    /// Allocations made, freed or not; a reallocation counts as one more.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The most bytes held at one time.
    pub peak_bytes: u64,
    /// Allocations still held at the end, less those from before that were freed.
    pub kept: i64,
}

/// Runs `work` and counts what it allocates; its result counts as kept.
///
/// # Panics
///
/// If `work` does.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Allocations) {
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(work()));
    let allocations = Allocations {
        count: info.count_total,
        bytes: info.bytes_total,
        peak_bytes: info.bytes_max,
        kept: info.count_current,
    };
    (result.expect("measure runs its closure"), allocations)
}

/// Runs `work`, which may allocate at most `max` times.
///
/// # Panics
///
/// If it allocates more often.
#[track_caller]
pub fn assert_allocations<T>(max: u64, work: impl FnOnce() -> T) -> T {
    let (result, allocations) = count(work);
    assert!(
        allocations.count <= max,
        "allocated {} time(s), {} bytes; at most {max} time(s) expected",
        allocations.count,
        allocations.bytes,
    );
    result
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::panic::catch_unwind;

    use super::{assert_allocations, count};

    #[test]
    fn arithmetic_does_not_allocate() {
        assert_eq!(assert_allocations(0, || black_box(20) + black_box(22)), 42);
    }

    #[test]
    fn one_allocation_too_many_is_reported_with_its_bytes() {
        let panic = catch_unwind(|| assert_allocations(1, || (Box::new(1_u64), Box::new(2_u64))));
        let message = panic.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(*message, "allocated 2 time(s), 16 bytes; at most 1 time(s) expected");
    }

    #[test]
    fn the_peak_and_what_is_kept_are_known() {
        let (kept, allocations) = count(|| {
            drop(black_box(vec![0_u8; 1_000]));
            black_box(vec![0_u8; 100])
        });
        assert_eq!((allocations.count, allocations.bytes), (2, 1_100));
        assert_eq!((allocations.peak_bytes, allocations.kept), (1_000, 1));
        drop(kept);
    }
}

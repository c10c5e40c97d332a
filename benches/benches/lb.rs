//! Times of lb's operations, for a look while working on them: `cargo bench -p terrace-benches`.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use terrace_benches::ops::Op;
use terrace_benches::ops::lb::{Echo, Terrace, TerracePick, Tower};

fn balanced_request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lb/balanced request");
    for endpoints in [100, 10_000] {
        let mut contenders: [(&str, Box<dyn Op>); 3] = [
            ("terrace-lb", Box::new(Terrace::<Echo>::new(endpoints).expect("distinct names"))),
            ("terrace-lb pick", Box::new(TerracePick::new(endpoints).expect("distinct names"))),
            ("tower::balance", Box::new(Tower::<Echo>::new(endpoints))),
        ];
        for (name, op) in &mut contenders {
            group.bench_function(BenchmarkId::new(*name, endpoints), |bencher| {
                bencher.iter(|| op.once());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, balanced_request);
criterion_main!(benches);

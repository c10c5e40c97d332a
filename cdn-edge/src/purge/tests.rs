use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::rule::{Rule, without};
use super::{
    Changes, Invalidations, Limits, Marks, Mode, Prefix, Sequence, Tag, Tags, Target, Verdict,
};

const HOSTS: [&str; 3] = ["a.test", "a.test:8080", "b.test"];
const PATHS: [&str; 4] = ["/", "/img/", "/img/cat", "/page"];
const NAMES: [&str; 4] = ["red", "green", "blue", "a.test/page"];

/// An object in the plainest form: no hash, no mark.
#[derive(Clone, Debug)]
struct Plain {
    host: usize,
    path: usize,
    version: u8,
    names: Vec<usize>,
}

/// A target in the plainest form.
#[derive(Clone, Debug)]
enum What {
    Name(usize),
    Group(usize, usize),
    Host(usize),
    Path(usize, usize),
    Url(usize, usize, u8),
    Prefix(usize, usize),
    WholeHost(usize),
    All,
}

#[derive(Clone, Debug)]
enum Step {
    Purge(What, bool),
    Begin(Plain),
    Ask(usize),
    Renew(usize),
}

impl Plain {
    fn url(&self) -> String {
        format!("{}{}", HOSTS[self.host], PATHS[self.path])
    }

    fn marks(&self, tags: Tags, since: Sequence) -> Marks {
        let url = self.url();
        let full = format!("{url}?v={}", self.version);
        let own = [
            tags.host(HOSTS[self.host].as_bytes()),
            tags.path(full.as_bytes()),
            tags.url(full.as_bytes()),
        ];
        let origin = format!("https://{}", HOSTS[self.host]);
        let named = self.names.iter().flat_map(|name| {
            let name = NAMES[*name].as_bytes();
            [tags.surrogate(name), tags.group(&origin, name)]
        });
        Marks::new(since, url.as_bytes(), own.into_iter().chain(named))
    }
}

impl What {
    fn concerns(&self, plain: &Plain) -> bool {
        match self {
            Self::Name(name) => plain.names.contains(name),
            Self::Group(host, name) => plain.host == *host && plain.names.contains(name),
            Self::Host(host) | Self::WholeHost(host) => plain.host == *host,
            Self::Path(host, path) => (plain.host, plain.path) == (*host, *path),
            Self::Url(host, path, version) => {
                (plain.host, plain.path, plain.version) == (*host, *path, *version)
            }
            Self::Prefix(host, path) => {
                plain.url().starts_with(&format!("{}{}", HOSTS[*host], PATHS[*path]))
            }
            Self::All => true,
        }
    }

    fn target(&self, tags: Tags) -> Target {
        let url = |host: &usize, path: &usize| format!("{}{}", HOSTS[*host], PATHS[*path]);
        Target::Tag(match self {
            Self::Name(name) => tags.surrogate(NAMES[*name].as_bytes()),
            Self::Group(host, name) => {
                tags.group(&format!("https://{}", HOSTS[*host]), NAMES[*name].as_bytes())
            }
            Self::Host(host) => tags.host(HOSTS[*host].as_bytes()),
            Self::Path(host, path) => tags.path(url(host, path).as_bytes()),
            Self::Url(host, path, version) => {
                tags.url(format!("{}?v={version}", url(host, path)).as_bytes())
            }
            Self::Prefix(host, path) => return Target::Prefix(url(host, path)),
            Self::WholeHost(host) => return Target::Prefix(HOSTS[*host].to_owned()),
            Self::All => return Target::All,
        })
    }
}

fn what() -> impl Strategy<Value = What> {
    let (host, path, name) = (0..HOSTS.len(), 0..PATHS.len(), 0..NAMES.len());
    prop_oneof![
        6 => name.clone().prop_map(What::Name),
        2 => (host.clone(), name).prop_map(|(host, name)| What::Group(host, name)),
        1 => host.clone().prop_map(What::Host),
        3 => (host.clone(), path.clone()).prop_map(|(host, path)| What::Path(host, path)),
        2 => (host.clone(), path.clone(), 0..3_u8).prop_map(|(h, p, v)| What::Url(h, p, v)),
        5 => (host.clone(), path).prop_map(|(host, path)| What::Prefix(host, path)),
        1 => host.prop_map(What::WholeHost),
        1 => Just(What::All),
    ]
}

fn plain() -> impl Strategy<Value = Plain> {
    let names = proptest::collection::vec(0..NAMES.len(), 0..3);
    (0..HOSTS.len(), 0..PATHS.len(), 0..3_u8, names)
        .prop_map(|(host, path, version, names)| Plain { host, path, version, names })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (what(), any::<bool>()).prop_map(|(what, hard)| Step::Purge(what, hard)),
        2 => plain().prop_map(Step::Begin),
        6 => any::<usize>().prop_map(Step::Ask),
        1 => any::<usize>().prop_map(Step::Renew),
    ];
    proptest::collection::vec(step, 0..120)
}

fn naive(purges: &[(u64, What, Mode)], since: u64, plain: &Plain) -> Verdict {
    let later = purges.iter().filter(|(number, what, _)| *number > since && what.concerns(plain));
    let verdicts = later.map(|(.., mode)| match mode {
        Mode::Hard => Verdict::Hard,
        Mode::Soft => Verdict::Soft,
    });
    verdicts.max().unwrap_or(Verdict::Valid)
}

/// Runs the steps beside a list of all purges, and says where they differ.
fn run(steps: &[Step], limits: Limits) -> Result<(), String> {
    let invalidations = Invalidations::new(limits, 11);
    let tags = invalidations.tags();
    let mut purges = Vec::new();
    let mut objects: Vec<(Plain, Marks)> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Purge(what, hard) => {
                let mode = if *hard { Mode::Hard } else { Mode::Soft };
                let number = invalidations.purge(&what.target(tags), mode);
                purges.push((number.number(), what.clone(), mode));
            }
            Step::Begin(plain) => {
                objects.push((plain.clone(), plain.marks(tags, invalidations.now())));
            }
            Step::Ask(any) if !objects.is_empty() => {
                let (plain, marks) = &objects[any % objects.len()];
                let wanted = naive(&purges, marks.since().number(), plain);
                let counts = invalidations.counts();
                let forgot = counts.forgotten_tags + counts.forgotten_prefixes > 0;
                match invalidations.verdict(marks) {
                    verdict if verdict == wanted || (forgot && verdict > wanted) => {}
                    verdict => return Err(format!("step {at}: {verdict:?} for {wanted:?}")),
                }
            }
            Step::Renew(any) if !objects.is_empty() => {
                let any = any % objects.len();
                objects[any].1 = objects[any].1.renewed(invalidations.now());
            }
            Step::Ask(_) | Step::Renew(_) => {}
        }
        let counts = invalidations.counts();
        if counts.tags > limits.tags || counts.prefixes > limits.prefixes {
            return Err(format!("step {at}: more is remembered than {limits:?}"));
        }
        if invalidations.order() > 64 + 2 * limits.tags {
            return Err(format!("step {at}: the order of the tags grows without a bound"));
        }
    }
    Ok(())
}

const SMALL: Limits = Limits { tags: 3, prefixes: 2 };

proptest! {
    #[test]
    fn while_nothing_is_forgotten_the_verdict_is_that_of_a_list_of_all_purges(steps in steps()) {
        prop_assert_eq!(run(&steps, Limits::default()), Ok(()));
    }

    #[test]
    fn what_is_forgotten_makes_no_verdict_milder(steps in steps()) {
        prop_assert_eq!(run(&steps, SMALL), Ok(()));
        prop_assert_eq!(run(&steps, Limits { tags: 0, prefixes: 0 }), Ok(()));
    }

    #[test]
    fn any_bytes_make_a_tag_and_marks(bytes: Vec<u8>, text: String) {
        let invalidations = Invalidations::new(Limits::default(), 1);
        let tags = invalidations.tags();
        let all = [tags.host(&bytes), tags.path(&bytes), tags.url(&bytes), tags.group(&text, &bytes)];
        let marks = Marks::new(invalidations.now(), &bytes, all);
        invalidations.purge(&Target::Prefix(text), Mode::Soft);
        let _ = invalidations.verdict(&marks);
    }
}

/// Whether the model finds a fault when this safeguard is off.
fn model_finds(rule: Rule, limits: Limits) -> bool {
    let mut runner = TestRunner::deterministic();
    (0..2_000).any(|_| {
        let tree = steps().new_tree(&mut runner).expect("every step can be made");
        let steps = tree.current();
        run(&steps, limits).expect("right with the safeguard on");
        without(rule, || run(&steps, limits)).is_err()
    })
}

#[test]
fn the_model_finds_what_is_forgotten_without_a_floor() {
    assert!(model_finds(Rule::Floor, SMALL));
}

#[test]
fn the_model_finds_a_soft_purge_that_softens_a_hard_one() {
    assert!(model_finds(Rule::HardStays, Limits::default()));
}

#[test]
fn the_model_finds_a_verdict_that_is_remembered_as_valid_and_is_not() {
    assert!(model_finds(Rule::OnlyValid, Limits::default()));
}

#[test]
fn the_model_finds_a_hard_prefix_that_is_lost_to_a_wider_soft_one() {
    assert!(model_finds(Rule::CoveredAsHard, Limits::default()));
}

/// Three tags are remembered; `first` was purged before the others, and again after them.
fn purged_again() -> Verdict {
    let invalidations = Invalidations::new(SMALL, 1);
    let tag = |name: &str| Target::Tag(invalidations.tags().surrogate(name.as_bytes()));
    invalidations.purge(&tag("first"), Mode::Hard);
    invalidations.purge(&tag("second"), Mode::Hard);
    let other = Marks::new(invalidations.now(), b"a.test/", []);
    invalidations.purge(&tag("third"), Mode::Hard);
    invalidations.purge(&tag("first"), Mode::Hard);
    invalidations.purge(&tag("fourth"), Mode::Hard);
    assert_eq!(invalidations.counts().forgotten_tags, 1);
    invalidations.verdict(&other)
}

#[test]
fn the_tag_whose_last_purge_is_oldest_is_forgotten_first() {
    assert_eq!(purged_again(), Verdict::Valid);
    assert_eq!(without(Rule::PurgedAgain, purged_again), Verdict::Hard);
}

#[test]
fn one_tag_that_is_purged_for_ever_takes_no_memory() {
    let invalidations = Invalidations::new(Limits::default(), 1);
    let target = Target::Tag(invalidations.tags().surrogate(b"news"));
    for _ in 0..10_000 {
        invalidations.purge(&target, Mode::Soft);
    }
    assert_eq!((invalidations.counts().tags, invalidations.counts().purges), (1, 10_000));
    assert!(invalidations.order() < 100);
}

#[test]
fn a_hard_purge_of_all_frees_what_it_makes_superfluous() {
    let invalidations = Invalidations::new(Limits::default(), 1);
    let old = Marks::new(invalidations.now(), b"a.test/", []);
    invalidations.purge(&Target::Tag(invalidations.tags().surrogate(b"x")), Mode::Hard);
    invalidations.purge(&Target::Prefix("b.test/".to_owned()), Mode::Hard);
    invalidations.purge(&Target::All, Mode::Hard);
    let counts = invalidations.counts();
    assert_eq!((counts.tags, counts.prefixes, counts.forgotten_tags), (0, 0, 0));
    assert_eq!(invalidations.verdict(&old), Verdict::Hard);
    assert_eq!(invalidations.verdict(&old.renewed(invalidations.now())), Verdict::Valid);
}

#[test]
fn a_prefix_without_a_slash_is_a_whole_authority_and_no_longer_one() {
    let invalidations = Invalidations::new(Limits::default(), 1);
    let began = invalidations.now();
    let marks = |url: &str| Marks::new(began, url.as_bytes(), []);
    let (own, longer) = (marks("Example.org/a"), marks("example.org.evil.test/a"));
    invalidations.purge(&Target::Prefix("EXAMPLE.org".to_owned()), Mode::Hard);
    assert_eq!(invalidations.verdict(&own), Verdict::Hard);
    assert_eq!(invalidations.verdict(&longer), Verdict::Valid);
}

#[test]
fn paths_keep_their_case_and_authorities_do_not() {
    let upper = Prefix::new("Example.org/A");
    assert!(upper.holds(b"example.org/Abc"));
    assert!(!upper.holds(b"example.org/abc"));
}

fn kinds(tags: Tags, name: &str) -> Vec<Tag> {
    let bytes = name.as_bytes();
    vec![
        tags.surrogate(bytes),
        tags.host(bytes),
        tags.path(bytes),
        tags.url(bytes),
        tags.group("", bytes),
        tags.group(name, b""),
    ]
}

#[test]
fn the_same_name_of_another_kind_is_another_tag() {
    let mut all = kinds(Tags::new(3), "a.test/page");
    all.extend(kinds(Tags::new(4), "a.test/page"));
    let different = all.iter().collect::<std::collections::HashSet<_>>();
    assert_eq!(different.len(), all.len());
}

#[test]
fn a_group_belongs_to_its_scheme_host_and_port() {
    let tags = Tags::new(3);
    let group = tags.group("https://a.test", b"news");
    assert_eq!(group, tags.group("HTTPS://A.test:443", b"news"));
    for other in ["http://a.test", "https://b.test", "https://a.test:8443", "https://a.test:80"] {
        assert_ne!(group, tags.group(other, b"news"), "{other}");
    }
}

#[test]
fn all_versions_of_a_path_share_its_tag() {
    let tags = Tags::new(3);
    assert_eq!(tags.path(b"A.test/cat.png?v=1"), tags.path(b"a.test/cat.png?v=2"));
    assert_ne!(tags.path(b"a.test/cat.png"), tags.path(b"a.test/Cat.png"));
}

#[test]
fn an_empty_prefix_is_everything() {
    let invalidations = Invalidations::new(Limits::default(), 1);
    let marks = Marks::new(invalidations.now(), b"a.test/", []);
    invalidations.purge(&Target::Prefix(String::new()), Mode::Soft);
    assert_eq!(invalidations.verdict(&marks), Verdict::Soft);
}

/// Whether a fetch is stored during which its key changes.
fn stored_after_a_change() -> bool {
    let changes = Changes::new();
    let before = changes.now();
    changes.mark(1 << 100);
    changes.mark(5);
    !changes.since(5, before)
}

#[test]
fn a_fetch_that_a_change_has_overtaken_is_not_stored() {
    assert!(!stored_after_a_change());
    assert!(without(Rule::Mark, stored_after_a_change));
}

#[test]
fn a_change_concerns_no_fetch_of_later_and_of_no_other_key() {
    let changes = Changes::new();
    let before = changes.now();
    changes.mark(5);
    assert!(!changes.since(6, before));
    assert!(!changes.since(5, changes.now()));
}

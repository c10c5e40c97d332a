use std::fmt;
use std::str::FromStr;

/// What an engine forgets first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// `lru`: what was not asked for the longest.
    Lru,
    /// `lfu`: what is asked for least, by W-TinyLFU; a tenth of the room is for new keys.
    Lfu,
    /// `fifo`: what was inserted first.
    Fifo,
    /// `s3-fifo` or `default`: what was asked for once only, before it takes room from the rest.
    ///
    /// The default: on the traces of web sites and databases it is never far from the best, about two
    /// points of the hit ratio at most, where `lfu` gains one or two and elsewhere loses four
    /// (`benches/results/cache-traces.md`).
    #[default]
    S3Fifo,
    /// `sieve`: what was not asked for since the hand last passed.
    Sieve,
    /// `tiny-lfu`: refuses a new key that was asked for less than the one it would replace; by moka,
    /// without a window for new keys.
    TinyLfu,
    /// `moka-lru`: as `lru`, by moka.
    MokaLru,
    /// `quick`: Clock-PRO, by quick_cache.
    Quick,
}

impl Policy {
    /// All of them, whether compiled in or not.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &[
            Self::Lru,
            Self::Lfu,
            Self::Fifo,
            Self::S3Fifo,
            Self::Sieve,
            Self::TinyLfu,
            Self::MokaLru,
            Self::Quick,
        ]
    }

    /// Its name on command lines and in configuration files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::Lfu => "lfu",
            Self::Fifo => "fifo",
            Self::S3Fifo => "s3-fifo",
            Self::Sieve => "sieve",
            Self::TinyLfu => "tiny-lfu",
            Self::MokaLru => "moka-lru",
            Self::Quick => "quick",
        }
    }

    /// The feature of this crate that brings its library.
    #[must_use]
    pub fn feature(self) -> &'static str {
        match self {
            Self::Lru | Self::Lfu | Self::Fifo | Self::S3Fifo | Self::Sieve => "foyer",
            Self::TinyLfu | Self::MokaLru => "moka",
            Self::Quick => "quick-cache",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        if name == "default" {
            return Ok(Self::default());
        }
        let found = Self::all().iter().find(|policy| policy.name() == name);
        found.copied().ok_or_else(|| UnknownPolicy { name: name.to_owned() })
    }
}

/// There is no policy of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy {
    name: String,
}

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown policy {:?}: the policies are default", self.name)?;
        Policy::all().iter().try_for_each(|policy| write!(f, ", {policy}"))
    }
}

impl std::error::Error for UnknownPolicy {}

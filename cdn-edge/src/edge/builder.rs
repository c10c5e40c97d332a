use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{Response, Uri};

use super::clock::Clock;
use super::error::ConfigError;
use super::flight::Flights;
use super::forward::Manner;
use super::hot::Hot;
use super::numerals::Numerals;
use super::service::EdgeLayer;
use super::shared::{Fallback, Limits, Shared};
use crate::content::Budget;
use crate::field::cdn_loop::Id;
use crate::key::{KeyRules, Learned, Versions};
use crate::object::{Caps, Shapes};
use crate::purge::{self, Changes, Invalidations};
use crate::semantics::{Profile, Rules};
use crate::store::{Engine, Memory};
use crate::telemetry::Telemetry;

/// The settings of an [`EdgeLayer`].
#[derive(Clone)]
#[must_use]
pub struct EdgeBuilder {
    name: String,
    profile: Profile,
    rules: Rules,
    keys: KeyRules,
    memory: u64,
    max_object: Option<u64>,
    engine: Engine,
    seed: Option<u64>,
    limits: Limits,
    wall: Option<Arc<dyn Fn() -> u64 + Send + Sync>>,
    fallback: Option<Fallback>,
    purges: purge::Limits,
}

impl EdgeBuilder {
    pub(super) fn new() -> Self {
        Self {
            name: "terrace".to_owned(),
            profile: Profile::Secure,
            rules: Rules::default(),
            keys: KeyRules::default(),
            memory: 256 << 20,
            max_object: None,
            engine: Engine::default(),
            seed: None,
            limits: Limits {
                object: 0,
                window: 8 << 20,
                collapse: Duration::from_secs(10),
                first_byte: Duration::from_secs(30),
                stall: Duration::from_secs(60),
                hit_for_miss: Duration::from_secs(10),
                retry: Duration::from_secs(1),
                caps: Caps { variants: 32, parts: 16 },
                tags: 64,
                header: 16 << 10,
                hops: 1,
            },
            wall: None,
            fallback: None,
            purges: purge::Limits::default(),
        }
    }

    /// The name in Cache-Status, in CDN-Loop and in the metrics: `terrace` by default. A token, different for
    /// each tier that a request passes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// A whole set of rules; [`Profile::Secure`] by default. Rules that were set before are replaced.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self.rules = Rules::of(profile);
        self
    }

    /// Changes single rules.
    pub fn rules(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// What a key is made of.
    pub fn keys(mut self, keys: KeyRules) -> Self {
        self.keys = keys;
        self
    }

    /// Bytes of all stored responses, with what it costs to keep them: 256 MiB by default.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Bytes of one stored body: an eighth of the memory by default, so that one download cannot push out
    /// everything else. Larger ones pass through.
    pub fn max_object(mut self, bytes: u64) -> Self {
        self.max_object = Some(bytes);
        self
    }

    /// What decides who leaves when the memory is full.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// The seed of the hashes; random by default, so that no stranger can choose keys that collide.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How long a request waits for another's answer to the same question before it asks the origin itself, or is
    /// answered with something stale that may stand in for an origin that is silent: 10 seconds by default, less
    /// than clients and balancers wait.
    pub fn collapse_timeout(mut self, timeout: Duration) -> Self {
        self.limits.collapse = timeout;
        self
    }

    /// How long the origin's header may take: 30 seconds by default, as long as slow pages take and shorter
    /// than the minute after which balancers give up.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.limits.first_byte = timeout;
        self
    }

    /// How long a key counts as not storable after a response that was not: 10 seconds by default. Meanwhile
    /// requests for it go to the origin side by side instead of waiting for each other in vain.
    pub fn hit_for_miss(mut self, time: Duration) -> Self {
        self.limits.hit_for_miss = time;
        self
    }

    /// How long a failed origin is left alone by requests that a stale response can answer: 1 second by
    /// default, so that an outage costs each key one attempt a second and not one a request.
    pub fn retry_after_failure(mut self, time: Duration) -> Self {
        self.limits.retry = time;
        self
    }

    /// Responses kept under one key for different values of the fields in `Vary`: 32 by default.
    pub fn max_variants(mut self, variants: usize) -> Self {
        self.limits.caps.variants = variants;
        self
    }

    /// Bytes of a request's header and target: 16 KiB by default. A larger one is answered 431: an origin that
    /// refuses it could otherwise be made to give an error that is then stored for everybody.
    pub fn max_header(mut self, bytes: usize) -> Self {
        self.limits.header = bytes;
        self
    }

    /// How many purges are remembered one by one; see [`purge::Limits`].
    pub fn purge_limits(mut self, limits: purge::Limits) -> Self {
        self.purges = limits;
        self
    }

    /// A wall clock, in seconds since 1970; the system's by default. Tests bring their own.
    pub fn wall_clock(mut self, wall: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.wall = Some(Arc::new(wall));
        self
    }

    /// What a client gets when the origin is away and nothing stored can stand in; 502 or 504 by default.
    pub fn fallback(
        mut self,
        fallback: impl Fn(&Uri) -> Option<Response<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        self.fallback = Some(Arc::new(fallback));
        self
    }

    /// The layer.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] that names the setting that cannot be.
    pub fn build(self) -> Result<EdgeLayer, ConfigError> {
        // A token of RFC 9110 that may also stand in a structured field.
        let starts_well = self.name.starts_with(|first: char| first.is_ascii_alphabetic());
        let Some(id) = Id::new(&self.name).filter(|_| starts_well) else {
            return Err(ConfigError::Name(self.name));
        };
        if self.memory < 65_536 {
            return Err(ConfigError::Memory(self.memory));
        }
        for (time, name) in [
            (self.limits.collapse, "collapse_timeout"),
            (self.limits.first_byte, "first_byte_timeout"),
        ] {
            if time.is_zero() {
                return Err(ConfigError::Deadline(name));
            }
        }
        let object = self.max_object.unwrap_or(self.memory / 8);
        if object == 0 || object > self.memory {
            return Err(ConfigError::MaxObject(object));
        }
        let seed = self.seed.unwrap_or_else(random);
        let memory =
            Memory::builder().capacity_bytes(self.memory).engine(self.engine).seed(seed).build();
        let memory = memory.map_err(|_| ConfigError::Memory(self.memory))?;
        let invalidations = Invalidations::new(self.purges, seed);
        let tags = invalidations.tags();
        let name: Arc<str> = self.name.into();
        Ok(EdgeLayer {
            shared: Arc::new(Shared {
                manner: Manner {
                    id,
                    normaliser: self.rules.normaliser.clone(),
                    strict: self.profile == Profile::Secure,
                },
                limits: Limits { object, ..self.limits },
                seed,
                clock: self.wall.map_or_else(Clock::system, Clock::with),
                memory,
                shapes: Shapes::new(4096),
                // Bodies on their way may take a quarter of the memory's size on top of it.
                budget: Budget::new(self.memory / 4),
                invalidations,
                changes: Changes::new(),
                tags,
                learned: Learned::default(),
                versions: self.keys.version.clone().map(Versions::new),
                keys: self.keys,
                rules: self.rules,
                flights: Flights::new(),
                hot: Hot::new(),
                ages: Numerals::new(),
                hits: Numerals::new(),
                cache_status_name: HeaderName::from_static("cache-status"),
                telemetry: Arc::new(Telemetry::new(Arc::clone(&name))),
                numbers: AtomicU64::new(0),
                fallback: self.fallback,
                name,
            }),
        })
    }
}

/// From the operating system, through the standard library's own hasher seeds.
fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0x6564_6765_u64)
}

impl fmt::Debug for EdgeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeBuilder")
            .field("name", &self.name)
            .field("profile", &self.profile)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use super::{KeyBuf, WireKey};

/// Letters of a name at most.
const LONGEST: usize = 64;

/// Whose keys they are: the cache's name, a tenant if there are several, and the schema of the
/// values.
///
/// It stands in front of each key: `users:3:` or `users@acme:3:`. Names have no `@` and no `:`, so
/// that no two spaces have a key in common. A clone shares the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Space {
    name: Arc<str>,
    tenant: Option<Arc<str>>,
    schema: u32,
    prefix: Arc<str>,
}

impl Space {
    /// The space of the cache called `name`, whose values have the form number `schema`.
    ///
    /// Change the number when a value's encoding changes: old and new processes then keep their
    /// entries apart while both run.
    ///
    /// # Errors
    ///
    /// A name is 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub fn new(name: &str, schema: u32) -> Result<Self, SpaceError> {
        check("name", name)?;
        Ok(Self::build(name.into(), None, schema))
    }

    /// The same cache's space for one tenant.
    ///
    /// # Errors
    ///
    /// A tenant is named like a cache. Where tenants have longer or other names, put the tenant
    /// into the key as its first part.
    pub fn tenant(&self, tenant: &str) -> Result<Self, SpaceError> {
        check("tenant", tenant)?;
        Ok(Self::build(Arc::clone(&self.name), Some(tenant.into()), self.schema))
    }

    fn build(name: Arc<str>, tenant: Option<Arc<str>>, schema: u32) -> Self {
        let mut prefix = String::from(&*name);
        // Writing to a string does not fail.
        if let Some(tenant) = &tenant {
            let _ = write!(prefix, "@{tenant}");
        }
        let _ = write!(prefix, ":{schema}:");
        Self { name, tenant, schema, prefix: prefix.into() }
    }

    /// The cache's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tenant, if this is one's.
    #[must_use]
    pub fn tenant_name(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The number of the values' form.
    #[must_use]
    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// What stands in front of each key.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `key` as a store gets it.
    #[must_use]
    pub fn wire(&self, key: &KeyBuf) -> WireKey {
        self.wire_of(key.bytes())
    }

    pub(crate) fn wire_of(&self, key: &[u8]) -> WireKey {
        WireKey::new(&self.prefix, key)
    }
}

fn check(what: &'static str, value: &str) -> Result<(), SpaceError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=LONGEST).contains(&value.len()) && value.bytes().all(plain) {
        return Ok(());
    }
    // Enough to find it by, of whatever was passed.
    let shown = value.chars().take(LONGEST + 1).collect();
    Err(SpaceError { what, shown, length: value.len() })
}

/// A name that cannot stand in front of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceError {
    what: &'static str,
    shown: String,
    length: usize,
}

impl fmt::Display for SpaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, shown, length } = self;
        write!(
            f,
            "cache {what} {shown:?} ({length} bytes): it takes 1 to {LONGEST} of A-Z a-z 0-9 _ . -"
        )
    }
}

impl std::error::Error for SpaceError {}

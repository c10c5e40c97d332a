use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderName;

/// Lists of field names that stored responses have in common.
///
/// A list is 32 bytes a name, and a site has a handful of them for any number of objects. The table
/// is asked when something is stored, never on a hit.
///
/// It is bounded, because an origin can make up names: when it is full, the lists that no object
/// has any more make room, and if there are none, an object keeps a list of its own.
pub struct Shapes {
    table: Mutex<Table>,
    limit: usize,
}

struct Table {
    lists: HashSet<Arc<[HeaderName]>>,
    /// How many lists to refuse before looking for unused ones again: that walks over all.
    patience: usize,
}

impl Shapes {
    /// A table of at most this many lists.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { table: Mutex::new(Table { lists: HashSet::new(), patience: 0 }), limit }
    }

    /// How many lists there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).lists.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list, and whether it is in the table.
    pub(super) fn intern(&self, names: &[HeaderName]) -> (Arc<[HeaderName]>, bool) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = table.lists.get(names) {
            return (Arc::clone(list), true);
        }
        // A name can be a slice of the buffer it was read from, and would keep all of it.
        let list: Arc<[HeaderName]> = names.iter().map(owned).collect();
        let room = table.make_room(self.limit);
        if room {
            table.lists.insert(Arc::clone(&list));
        }
        (list, room)
    }
}

impl Table {
    fn make_room(&mut self, limit: usize) -> bool {
        if self.lists.len() < limit {
            return true;
        }
        if self.patience > 0 {
            self.patience -= 1;
            return false;
        }
        self.lists.retain(|list| Arc::strong_count(list) > 1);
        let room = self.lists.len() < limit;
        if !room {
            self.patience = limit;
        }
        room
    }
}

/// 1024 lists.
impl Default for Shapes {
    fn default() -> Self {
        Self::new(1024)
    }
}

impl fmt::Debug for Shapes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shapes").field("len", &self.len()).field("limit", &self.limit).finish()
    }
}

fn owned(name: &HeaderName) -> HeaderName {
    let bytes = name.as_str().as_bytes();
    let owned = HeaderName::from_lowercase(bytes).unwrap_or_else(|_| name.clone());
    // As with the block: the first clone allocates a counter, and a hit is to find it there.
    drop(owned.clone());
    owned
}

/// The memory of a list that is not shared, roughly: names that the `http` crate knows take no more
/// than their place, others some bytes of their own.
pub(super) fn weight(names: &[HeaderName]) -> u64 {
    let own: usize = names.iter().map(|name| size_of::<HeaderName>() + name.as_str().len()).sum();
    32 + own as u64
}

//! Many tasks at a few sessions at once, with what must hold whatever comes first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ground::{Ground, Verdict, at_once, holds, renews, same, subject};
use super::report::Failure;
use crate::clock::ManualClock;
use crate::store::{Change, Patched, Rotated, Store};
use crate::token::SessionKey;

const SESSIONS: usize = 4;
const TASKS: usize = 8;

/// Lets tasks patch, move and delete the same sessions at random, each `steps` times, and looks that what was ended stays ended
/// and what was acknowledged is there.
///
/// The store has to go by this clock, and to have no session of a subject `storm`. The seed chooses what the tasks do, and
/// not in which order they come.
///
/// # Errors
///
/// The first fault that was seen, with the seed.
pub async fn storm(store: Arc<dyn Store>, clock: ManualClock, seed: u64, steps: usize) -> Verdict {
    clock.set(super::START);
    let ground = Ground::new("storm", store, clock);
    let seeded =
        |failure: Failure| Failure { got: format!("{} (seed {seed})", failure.got), ..failure };
    run(&ground, seed, steps).await.map_err(seeded)
}

/// A session on its way through its keys.
struct Way {
    keys: Mutex<Vec<SessionKey>>,
    /// Somebody has been told that it is ended.
    ended: AtomicBool,
}

impl Way {
    fn keys(&self) -> Vec<SessionKey> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, key: SessionKey) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }
}

async fn run(ground: &Ground, seed: u64, steps: usize) -> Verdict {
    let who = subject("storm");
    let mut ways = Vec::new();
    for _ in 0..SESSIONS {
        let key = ground.logged_in(&who).await?;
        ways.push(Arc::new(Way { keys: Mutex::new(vec![key]), ended: AtomicBool::new(false) }));
    }
    let task = |turn: usize| {
        let (ground, ways) = (ground.clone(), ways.clone());
        let chance = fastrand::Rng::with_seed(seed.wrapping_mul(31).wrapping_add(turn as u64));
        work(ground, ways, format!("t{turn}"), chance, steps)
    };
    let mut written = Vec::new();
    for (turn, done) in at_once((0..TASKS).map(task)).await?.into_iter().enumerate() {
        written.push((format!("t{turn}"), done?));
    }
    let mut there = Vec::new();
    for (nth, way) in ways.iter().enumerate() {
        there.extend(settled(ground, way, nth, &written).await?);
    }
    let mut listed = ground.keys_of(&who).await?;
    there.sort_unstable();
    listed.sort_unstable();
    same("the subject's sessions", &there, &listed)
}

/// What a task was told to be written, by session.
type Written = BTreeMap<usize, usize>;

async fn work(
    ground: Ground,
    ways: Vec<Arc<Way>>,
    name: String,
    mut chance: fastrand::Rng,
    steps: usize,
) -> Result<Written, Failure> {
    let mut written = Written::new();
    for step in 0..steps {
        let nth = chance.usize(..SESSIONS);
        let Some(way) = ways.get(nth) else { continue };
        let keys = way.keys();
        let recent = keys.len().saturating_sub(1 + chance.usize(..3));
        let Some(key) = keys.get(recent) else { continue };
        let was_ended = way.ended.load(Ordering::SeqCst);
        let alive = match chance.u32(..100) {
            0..50 => {
                let patched = ground.set(key, &name, &step.to_string()).await?;
                let applied = matches!(patched, Patched::Applied { .. });
                if applied {
                    written.insert(nth, step);
                }
                applied
            }
            50..75 => ground.look(key).await?.is_some(),
            75..98 => {
                let change = if chance.bool() { Change::Elevate } else { renews() };
                let new = ground.key_at(key.tag());
                // Known before it is there, so that whoever looks at the end looks there too.
                way.add(new);
                matches!(ground.rotate(key, &new, change).await?, Rotated::Rotated { .. })
            }
            _ => {
                let deleted = ground.store.delete(key).await?;
                let again = deleted && way.ended.swap(true, Ordering::SeqCst);
                holds("a session that ends once", !again, key)?;
                continue;
            }
        };
        holds("nothing of a session that was ended", !(alive && was_ended), (nth, key))?;
    }
    Ok(written)
}

/// Where the session is in the end, with all that was written to it, or nowhere if it was ended.
async fn settled(
    ground: &Ground,
    way: &Way,
    nth: usize,
    written: &[(String, Written)],
) -> Result<Option<SessionKey>, Failure> {
    let mut own = Vec::new();
    for key in way.keys() {
        let Some(loaded) = ground.look(&key).await? else { continue };
        for (name, written) in written {
            let value = loaded.record.values.get(name.as_str());
            let value = value.and_then(|value| value.to::<usize>().ok());
            let what = format!("what {name} wrote last to session {nth}");
            same(&what, &written.get(&nth).copied(), &value)?;
        }
        if !loaded.moved {
            own.push(key);
        }
    }
    let expected = usize::from(!way.ended.load(Ordering::SeqCst));
    same(&format!("keys of session {nth}"), &expected, &own.len())?;
    Ok(own.pop())
}

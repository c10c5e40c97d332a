//! The files that the processes of a cluster share, and the lock that orders them.
//!
//! ```text
//! control       who is what (see control/), replaced as a whole
//! generation    its generation again, so that a look costs one small read
//! lock, turn    see Files::lock
//! NAME.db       a node's data; NAME.apply, the right to write a replica's
//! NAME.inbox/   what a replica has received and not shown yet
//! ```

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::control::Control;
use super::error::SqliteError;

/// Bytes of a control file; one with all nodes and timelines is far smaller.
const MAX_CONTROL: u64 = 1 << 20;

/// The wall clock, which processes share: time since the Unix epoch.
#[derive(Clone)]
pub(crate) struct WallClock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl WallClock {
    pub(crate) fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    #[expect(clippy::disallowed_types, reason = "the one clock that several processes share")]
    pub(crate) fn system() -> Self {
        Self::new(|| {
            let epoch = std::time::SystemTime::UNIX_EPOCH;
            std::time::SystemTime::now().duration_since(epoch).unwrap_or_default()
        })
    }

    pub(crate) fn millis(&self) -> u64 {
        u64::try_from((self.0)().as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

/// One opening of a cluster's shared files. Locks are its own: two openings exclude each other,
/// also within a process.
#[derive(Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    lock: File,
    turn: File,
    /// Guards the place in the file that is read or written next.
    generation: Mutex<File>,
    /// Two threads with one opening would share its lock instead of excluding each other.
    holder: Mutex<()>,
    /// What was read last.
    known: Mutex<Option<Arc<Control>>>,
}

/// Holds the cluster's lock until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub(crate) struct Held<'a> {
    files: &'a Files,
    _holder: MutexGuard<'a, ()>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // If this fails, closing the file gives it back.
        let _ = self.files.lock.unlock();
    }
}

impl Files {
    /// Makes the directory and the files in it, without a control file.
    pub(crate) fn prepare(dir: &Path) -> Result<Self, SqliteError> {
        std::fs::create_dir_all(dir)?;
        Self::with(dir, true)
    }

    /// Opens the files of a cluster that exists.
    pub(crate) fn open(dir: &Path) -> Result<Self, SqliteError> {
        Self::with(dir, false)
    }

    fn with(dir: &Path, create: bool) -> Result<Self, SqliteError> {
        let open = |name: &str| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(create)
                .truncate(false)
                .open(dir.join(name))
        };
        Ok(Self {
            dir: dir.to_owned(),
            lock: open("lock")?,
            turn: open("turn")?,
            generation: Mutex::new(open("generation")?),
            holder: Mutex::new(()),
            known: Mutex::new(None),
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn database(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.db"))
    }

    pub(crate) fn inbox(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.inbox"))
    }

    fn control(&self) -> PathBuf {
        self.dir.join("control")
    }

    pub(crate) fn exists(&self) -> bool {
        self.control().exists()
    }

    /// Whoever holds this shared may rely on the control file: commits, and copies to replicas.
    pub(crate) fn shared(&self) -> Result<Held<'_>, SqliteError> {
        self.hold(File::lock_shared)
    }

    /// Whoever holds this exclusively may change the control file.
    pub(crate) fn exclusive(&self) -> Result<Held<'_>, SqliteError> {
        self.hold(File::lock)
    }

    /// Everybody queues at the turnstile first: else commits that overlap would keep a promotion
    /// out for ever.
    fn hold(&self, how: fn(&File) -> std::io::Result<()>) -> Result<Held<'_>, SqliteError> {
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn.lock()?;
        let locked = how(&self.lock);
        let _ = self.turn.unlock();
        locked?;
        Ok(Held { files: self, _holder: holder })
    }

    /// The right to write a replica's file, if nobody has it.
    pub(crate) fn apply_right(&self, name: &str) -> Result<Option<File>, SqliteError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.dir.join(format!("{name}.apply")))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// The generation, by one small read. Zero while it is not known.
    pub(crate) fn generation(&self) -> Result<u64, SqliteError> {
        let mut text = [0; 20];
        let mut file = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(0))?;
        if file.read_exact(&mut text).is_err() {
            return Ok(0);
        }
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// What the control file says now.
    pub(crate) fn load(&self) -> Result<Arc<Control>, SqliteError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // The generation is written first: if it is the known one, nothing newer was in place when
        // it was read. If a process died between the two, they differ until the next change, and
        // everybody reads the control file itself.
        let generation = self.generation()?;
        if let Some(control) = known.as_ref().filter(|known| known.generation == generation) {
            return Ok(Arc::clone(control));
        }
        let control = Arc::new(self.read()?);
        *known = Some(Arc::clone(&control));
        Ok(control)
    }

    fn read(&self) -> Result<Control, SqliteError> {
        let mut text = String::new();
        let file = File::open(self.control())?;
        file.take(MAX_CONTROL).read_to_string(&mut text)?;
        Ok(Control::parse(&text)?)
    }

    /// Changes the control file. `held` proves that nobody else does.
    pub(crate) fn update<T>(
        &self,
        held: &Held<'_>,
        change: impl FnOnce(&mut Control) -> Result<T, SqliteError>,
    ) -> Result<T, SqliteError> {
        let _ = held;
        let mut control = self.read()?;
        let value = change(&mut control)?;
        // Higher than both numbers, whichever a dead process has left behind.
        control.generation = control.generation.max(self.generation()?).saturating_add(1);
        self.store(&control)?;
        Ok(value)
    }

    /// Writes the control file for the first time, or anew.
    pub(crate) fn store(&self, control: &Control) -> Result<(), SqliteError> {
        {
            let mut file = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(0))?;
            file.write_all(format!("{:020}", control.generation).as_bytes())?;
        }
        let temporary = self.dir.join("control.new");
        let mut file = File::create(&temporary)?;
        file.write_all(control.to_text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, self.control())?;
        // The rename lasts only once the directory has reached the disk.
        File::open(&self.dir)?.sync_all()?;
        Ok(())
    }
}

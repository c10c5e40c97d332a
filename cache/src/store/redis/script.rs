//! What nodes are asked to do in one step.
//!
//! Numbers stay text in here: Lua counts in doubles, which end at 2^53.

/// A script, by its place in [`Script::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// Begins anew if the server is not the one that the cells are from.
    Greet,
    /// The number of the last bump.
    Sequence,
    /// A lease, or a reason why not.
    Lease,
    /// A writer's lease.
    LeaseForWrite,
    /// Keeps a value if the lease is good.
    Fill,
    /// Gives a lease back.
    Release,
    /// Versions of tags, as of a lease.
    Hold,
    /// Moves tags on.
    Bump,
    /// Begins a new epoch.
    Clear,
}

impl Script {
    pub(super) const ALL: [Self; 9] = [
        Self::Greet,
        Self::Sequence,
        Self::Lease,
        Self::LeaseForWrite,
        Self::Fill,
        Self::Release,
        Self::Hold,
        Self::Bump,
        Self::Clear,
    ];

    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn source(self) -> String {
        let body = match self {
            Self::Greet => GREET,
            Self::Sequence => SEQUENCE,
            Self::Lease => LEASE,
            Self::LeaseForWrite => LEASE_FOR_WRITE,
            Self::Fill => FILL,
            Self::Release => RELEASE,
            Self::Hold => HOLD,
            Self::Bump => BUMP,
            Self::Clear => CLEAR,
        };
        format!("{COMMON}{body}")
    }
}

/// A cell that is missing, or is not what we wrote, begins somewhere new, which makes all that was
/// counted before invalid. Bumps are counted from `first` to `now`; a number that is not among these
/// is of an earlier count. A lease is a letter for whose it is, 16 of its token and the epoch; one of
/// another epoch is none.
const COMMON: &str = r"
local function text(key)
  local got = redis.pcall('GET', key)
  if type(got) == 'string' then return got end
  return false
end
local function number(got)
  return got and #got < 19 and string.find(got, '^[1-9]%d*$') and got
end
local function epoch(key, fresh)
  local got = text(key)
  if got and #got == 8 then return got end
  redis.call('SET', key, fresh)
  return fresh
end
local function upto(a, b)
  if #a ~= #b then return #a < #b end
  return a <= b
end
local function counted(bumps, from)
  local now, first = number(text(bumps)), number(text(from))
  if now and first and upto(first, now) then return now, first end
  return false
end
local function begin(bumps, from, fresh)
  redis.call('SET', bumps, fresh)
  redis.call('SET', from, fresh)
  return fresh
end
local function held(key, now)
  local got = text(key)
  if got and #got == 25 and string.sub(got, 18) == now then return got end
  return false
end
";

/// KEYS run, epoch, bumps, first; ARGV the server's run id, an epoch, a first number.
///
/// The run id last: who is interrupted here begins anew once more.
const GREET: &str = r"
if text(KEYS[1]) ~= ARGV[1] then
  redis.call('SET', KEYS[2], ARGV[2])
  begin(KEYS[3], KEYS[4], ARGV[3])
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1
";

/// KEYS bumps, first; ARGV a first number.
const SEQUENCE: &str = r"
return counted(KEYS[1], KEYS[2]) or begin(KEYS[1], KEYS[2], ARGV[1])
";

/// KEYS value, lease, epoch; ARGV token, milliseconds, an epoch, `s` and the end of the value that
/// was seen or nothing.
///
/// A value of another type is none. What begins like a value of this epoch is looked at by its end,
/// so that a large one is copied only to be sent. A token that holds the lease already has lost the
/// answer to its first try.
const LEASE: &str = r"
local now = epoch(KEYS[3], ARGV[3])
local size = redis.pcall('STRLEN', KEYS[1])
if type(size) == 'number' and size >= 8 and redis.call('GETRANGE', KEYS[1], 0, 7) == now then
  local from = math.max(8, size - 8)
  local tail = ''
  if from < size then tail = redis.call('GETRANGE', KEYS[1], from, -1) end
  if ARGV[4] ~= 's' .. tail then return {'found', redis.call('GET', KEYS[1])} end
end
local mine = 'r' .. ARGV[1] .. now
local holder = held(KEYS[2], now)
if holder and holder ~= mine then return {'busy'} end
redis.call('SET', KEYS[2], mine, 'PX', ARGV[2])
return {'won', now}
";

/// KEYS lease, epoch; ARGV token, milliseconds, an epoch.
const LEASE_FOR_WRITE: &str = r"
local now = epoch(KEYS[2], ARGV[3])
local mine = 'w' .. ARGV[1] .. now
local holder = held(KEYS[1], now)
local by = holder and string.sub(holder, 1, 1)
if by == 'x' or (by == 'w' and holder ~= mine) then
  mine = 'x' .. string.rep('-', 16) .. now
end
redis.call('SET', KEYS[1], mine, 'PX', ARGV[2])
return now
";

/// KEYS value, lease, epoch; ARGV token, the lease's epoch, epoch and value, milliseconds.
const FILL: &str = r"
local now = text(KEYS[3])
local holder = now == ARGV[2] and held(KEYS[2], now)
if not holder or string.sub(holder, 2) ~= ARGV[1] .. now then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('DEL', KEYS[2])
return 1
";

/// KEYS lease; ARGV token, the lease's epoch.
const RELEASE: &str = r"
local holder = text(KEYS[1])
if holder and string.sub(holder, 2) == ARGV[1] .. ARGV[2] then redis.call('DEL', KEYS[1]) end
return 1
";

/// KEYS bumps, first, cells; ARGV the lease's number, milliseconds.
///
/// A tag without a cell was bumped now, for all that is known. Its cell stays even if this load is
/// too late for it, so that the next is not.
const HOLD: &str = r"
local now, first = counted(KEYS[1], KEYS[2])
if not now or not upto(first, ARGV[1]) or not upto(ARGV[1], now) then return false end
local versions, good = {}, true
for i = 3, #KEYS do
  local version = number(text(KEYS[i]))
  if not version or not upto(first, version) or not upto(version, now) then version = now end
  good = good and upto(version, ARGV[1])
  versions[i - 2] = version
  redis.call('SET', KEYS[i], version, 'PX', ARGV[2])
end
return good and versions
";

/// KEYS bumps, first, cells; ARGV a first number, milliseconds.
const BUMP: &str = r"
if not counted(KEYS[1], KEYS[2]) then begin(KEYS[1], KEYS[2], ARGV[1]) end
redis.call('INCR', KEYS[1])
local now = redis.call('GET', KEYS[1])
for i = 3, #KEYS do redis.call('SET', KEYS[i], now, 'PX', ARGV[2]) end
return 1
";

/// KEYS epoch; ARGV eight bytes.
///
/// The new epoch is made of the old one, and not sent. A command whose answer was lost is sent again:
/// an epoch that came with it would be set twice, and bring back what was kept after the first time
/// and cleared by somebody else before the second.
const CLEAR: &str = r"
local mixed, fresh = redis.sha1hex((text(KEYS[1]) or '') .. ARGV[1]), ''
for i = 1, 15, 2 do
  fresh = fresh .. string.char(tonumber(string.sub(mixed, i, i + 1), 16))
end
redis.call('SET', KEYS[1], fresh)
return 1
";

#[cfg(test)]
mod tests {
    use super::Script;

    #[test]
    fn each_script_stands_at_its_index() {
        for (place, script) in Script::ALL.into_iter().enumerate() {
            assert_eq!(script.index(), place);
        }
    }
}

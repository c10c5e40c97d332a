-- Stands before every script. A script touches no key but those that it was given: their slot is the client's to know.
-- It adds before it removes: a server without memory refuses the first and not the second, and would lose a session halfway.
--
-- ARGV 1: the time in milliseconds, or nothing for the server's own.
-- ARGV 2: the hash of the key from before a renewal by which this session was asked for, or nothing.
-- ARGV 3: for how many milliseconds a key stays after its end.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- How long after its deadline an unfinished move is given up, in milliseconds: clocks of two nodes may differ by that.
local SKEW = 5000

-- Lua would write 1e+14.
local function text(number)
  return string.format('%.0f', number)
end

-- Names of values begin with `=`, all else with a letter.
local function is_value(name)
  return string.byte(name) == 61
end

local function is_number(digits)
  return digits and #digits >= 1 and #digits <= 15 and not string.find(digits, '%D')
end

-- The hash that a session's key ends with.
local function hash(key)
  return string.sub(key, -64)
end

-- In the index and the listing of its tag.
local function member(key, m)
  return m.h .. ':' .. hash(key)
end

-- A command with a list of any length: Lua can pass some thousands.
local function in_parts(command, key, list)
  for from = 1, #list, 1000 do
    redis.call(command, key, unpack(list, from, math.min(from + 999, #list)))
  end
end

-- What a session is beside its values, or nothing if this version cannot read it. What is not known here stays as it is.
local function meta(flat)
  local m = {}
  for i = 1, #flat, 2 do
    if not is_value(flat[i]) then
      m[flat[i]] = flat[i + 1]
    end
  end
  if m.f ~= '1' then
    return nil
  end
  if m.m then
    return m
  end
  for _, name in ipairs({'v', 'c', 'l', 'x', 'a', 'r'}) do
    if not is_number(m[name]) then
      return nil
    end
    m[name] = tonumber(m[name])
  end
  for _, name in ipairs({'u', 'g', 'w'}) do
    if m[name] then
      if not is_number(m[name]) then
        return nil
      end
      m[name] = tonumber(m[name])
    end
  end
  if m.h and not m.d then
    return nil
  end
  return m
end

-- A session that is there: what it is, and its fields. Or nothing, and the answer that says why.
local function open(key, index)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then
    return nil, {'gone'}
  end
  local m = meta(flat)
  if not m then
    return nil, {'invalid'}
  end
  if m.m then
    -- What was renewed twice leaves nothing that leads from the first key to the third.
    if ARGV[2] ~= '' then
      return nil, {'dead'}
    end
    return nil, {'moved', m.m}
  end
  if m.k or now >= m.x or now >= m.a then
    return nil, {'dead'}
  end
  if m.h and not redis.call('ZSCORE', index, member(key, m)) then
    return nil, {'dead'}
  end
  if ARGV[2] ~= '' and (m.p ~= ARGV[2] or (m.u and now >= m.u + m.g)) then
    return nil, {'dead'}
  end
  if m.n then
    local lapsed = (not m.w or now > m.w + SKEW) and 1 or 0
    return nil, {'claimed', m.n, lapsed, text(now), 0, text(m.l), text(m.x), flat}, m
  end
  return m, flat
end

-- A key that others use too stays as long as the one of them that stays longest.
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then
    redis.call('PEXPIRE', key, text(ms))
  end
end

-- Lets Redis remove a session after its end, and notes the end where its subject's sessions are listed.
local function schedule(key, index, listing, m)
  local ms = math.max(m.x - now, 1) + tonumber(ARGV[3])
  redis.call('PEXPIRE', key, text(ms))
  if m.h then
    redis.call('ZADD', index, text(m.x), member(key, m))
    redis.call('HSET', listing, member(key, m), text(m.l) .. ' ' .. text(m.c) .. ' ' .. m.d)
    keep(index, ms)
    keep(listing, ms)
  end
end

-- Takes sessions out of their subject's list: with that they are over.
local function forget(index, listing, members)
  in_parts('ZREM', index, members)
  in_parts('HDEL', listing, members)
end

-- Those of a subject that are not over. One tag is nearly always one subject.
local function living(index, who)
  local mine = {}
  for _, one in ipairs(redis.call('ZRANGEBYSCORE', index, '(' .. text(now), '+inf')) do
    if string.sub(one, 1, #who) == who then
      mine[#mine + 1] = one
    end
  end
  return mine
end

-- Takes out what is over, at most as many as one creation can well pay for.
local function clean(index, listing)
  local over = redis.call('ZRANGEBYSCORE', index, '-inf', text(now), 'LIMIT', 0, 100)
  forget(index, listing, over)
end

local function listed(listing, members)
  local all = {}
  for from = 1, #members, 1000 do
    local part = redis.call('HMGET', listing, unpack(members, from, math.min(from + 999, #members)))
    for _, one in ipairs(part) do
      all[#all + 1] = one or ''
    end
  end
  return all
end

local function hashes(members)
  local all = {}
  for i, one in ipairs(members) do
    all[i] = hash(one)
  end
  return all
end

-- Whether a key is free for a new session: nothing, or the answer that says why not.
local function taken(key)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then
    return nil
  end
  local m = meta(flat)
  if not m then
    return {'invalid'}
  end
  if m.m or (now < m.x and now < m.a) then
    return {'exists'}
  end
  redis.call('DEL', key)
  return nil
end

-- Whether somebody may have one more session than those beside `instead`: nothing, or the answer that says why not;
-- and who has to make room.
local function admit(index, listing, epochs, login, instead)
  if login.epoch ~= '' and (redis.call('HGET', epochs, login.who) or '0') ~= login.epoch then
    return {'revoked'}
  end
  clean(index, listing)
  local limit = tonumber(login.limit)
  if not limit then
    return nil, {}
  end
  local others = {}
  for _, one in ipairs(living(index, login.who)) do
    if one ~= instead then
      others[#others + 1] = one
    end
  end
  local over = #others + 1 - math.max(limit, 1)
  if over <= 0 then
    return nil, {}
  end
  if login.full == 'reject' then
    return {'crowded'}
  end
  local used = {}
  for i, line in ipairs(listed(listing, others)) do
    used[others[i]] = tonumber(string.match(line, '^%d+')) or 0
  end
  table.sort(others, function(one, other)
    if used[one] == used[other] then
      return one < other
    end
    return used[one] < used[other]
  end)
  return nil, {unpack(others, 1, math.min(over, 5000))}
end

-- Whether values have room once a patch is made: `sets` pairs of name and value from `from` on in ARGV, and `removes`
-- names after them. What only removes always has.
local function fits(flat, from, sets, removes, limits)
  if sets == 0 then
    return true
  end
  local changed, bytes, count = {}, 0, sets
  for i = from, from + 2 * sets - 1, 2 do
    changed[ARGV[i]] = true
    bytes = bytes + #ARGV[i] - 1 + #ARGV[i + 1]
    if #ARGV[i + 1] > limits.value then
      return false
    end
  end
  for i = from + 2 * sets, from + 2 * sets + removes - 1 do
    changed[ARGV[i]] = true
  end
  for i = 1, #flat, 2 do
    if is_value(flat[i]) and not changed[flat[i]] then
      bytes = bytes + #flat[i] - 1 + #flat[i + 1]
      count = count + 1
    end
  end
  return bytes <= limits.bytes and count <= limits.values
end

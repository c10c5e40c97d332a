-- Stands before the scripts that move a session.
--
-- ARGV 4: why, 5: idle, 6: absolute, 7: the grace, 8: whether values are kept, 9: the subject's hash, 10: the subject,
-- 11: the device, 12: the epoch, or nothing, 13: the limit, or nothing, 14: what happens when it is full, 15 to 17: bytes,
-- values, bytes of one value at most, 18: how many values it sets, 19: how many it removes, 20: until when a move to
-- another slot has to be made, then pairs, then names.
local WHY, FIRST = ARGV[4], 21
local SETS, REMOVES = tonumber(ARGV[18]), tonumber(ARGV[19])

-- What a session writes about itself anew. Fields of a later version go along.
local OWN = {}
for _, name in ipairs({'f', 'v', 'c', 'l', 'x', 'a', 's', 'h', 't', 'r', 'd', 'p', 'g', 'u', 'n', 'w', 'k'}) do
  OWN[name] = true
end

-- Whether a renewal by the key from before has nothing to do: the new key is in use, or on its way.
local function is_renewed(m)
  return WHY == 'renew' and ARGV[2] ~= '' and (m.u or now < m.r + tonumber(ARGV[7]))
end

-- The session under its new key, and its fields; nothing if there is no room for its values. `previous` is the hash of the
-- key that leads to it from now on.
local function turn(m, flat, previous)
  local drops = WHY == 'login' and ARGV[8] == '0'
  local along, dropped = {}, false
  for i = 1, #flat, 2 do
    if is_value(flat[i]) and drops then
      dropped = true
    elseif not OWN[flat[i]] then
      along[#along + 1] = flat[i]
      along[#along + 1] = flat[i + 1]
    end
  end
  local limits = {bytes = tonumber(ARGV[15]), values = tonumber(ARGV[16]), value = tonumber(ARGV[17])}
  if not fits(along, FIRST, SETS, REMOVES, limits) then
    return nil
  end
  local n = {v = m.v, c = m.c, l = now, a = m.a, h = m.h, s = m.s, t = m.t, d = m.d}
  if dropped then
    n.v = n.v + 1
  end
  if SETS + REMOVES > 0 then
    n.v = n.v + 1
  end
  if WHY ~= 'renew' then
    n.a = now + tonumber(ARGV[6])
    if n.s then
      n.t = text(now)
    end
  end
  if WHY == 'login' then
    n.c, n.h, n.s, n.d, n.t = now, ARGV[9], ARGV[10], ARGV[11], text(now)
  end
  n.x = math.min(now + tonumber(ARGV[5]), n.a)

  local fields = {
    'f', '1', 'v', text(n.v), 'c', text(n.c), 'l', text(n.l), 'x', text(n.x), 'a', text(n.a), 'r', text(now),
  }
  local function add(name, value)
    if value then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  add('h', n.h)
  add('s', n.s)
  add('t', n.t)
  add('d', n.d)
  if previous then
    add('p', previous)
    add('g', ARGV[7])
  end
  local changed = {}
  for i = FIRST, FIRST + 2 * SETS - 1, 2 do
    changed[ARGV[i]] = true
    add(ARGV[i], ARGV[i + 1])
  end
  for i = FIRST + 2 * SETS, FIRST + 2 * SETS + REMOVES - 1 do
    changed[ARGV[i]] = true
  end
  for i = 1, #along, 2 do
    if not changed[along[i]] then
      add(along[i], along[i + 1])
    end
  end
  return n, fields
end

-- Who logs in, if somebody does.
local function login()
  if WHY ~= 'login' then
    return nil
  end
  return {who = ARGV[9], epoch = ARGV[12], limit = ARGV[13], full = ARGV[14]}
end

-- The second half of a move to another slot. KEYS: the new key, its tag's index, listing and epochs, and the mark that
-- the move was made, which outlives the session. After the names in ARGV: the session's fields.
local fields = {}
for i = FIRST + 2 * SETS + REMOVES, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
local m = meta(fields)
if not m or m.m then
  return {'invalid'}
end
if now > tonumber(ARGV[20]) then
  return {'late'}
end
if redis.call('EXISTS', KEYS[5]) == 1 then
  return {'gone'}
end
local n, new = turn(m, fields, nil)
if not n then
  return {'full'}
end
local why, oldest = nil, {}
local who = login()
if who then
  why, oldest = admit(KEYS[2], KEYS[3], KEYS[4], who, nil)
end
why = why or taken(KEYS[1])
if why then
  return why
end
in_parts('HSET', KEYS[1], new)
schedule(KEYS[1], KEYS[2], KEYS[3], n)
forget(KEYS[2], KEYS[3], oldest)
-- For as long as the old key may be asked whether it is still claimed, and a minute.
local ms = math.max(m.a - now, 1) + 60000 + tonumber(ARGV[3])
redis.call('SET', KEYS[5], '1', 'PX', text(ms))
return {'ok', text(now), 0, text(n.l), text(n.x), new, hashes(oldest)}

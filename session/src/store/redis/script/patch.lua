-- KEYS: the session, its tag's index. ARGV 4: the version that it has to have, or nothing, 5 to 7: bytes, values, bytes
-- of one value at most, 8: how many it sets, 9: how many it removes, then pairs, then names.
local m, flat = open(KEYS[1], KEYS[2])
if not m then
  return flat
end
if ARGV[4] ~= '' and ARGV[4] ~= text(m.v) then
  return {'conflict', text(now), 0, text(m.l), text(m.x), flat}
end
local limits = {bytes = tonumber(ARGV[5]), values = tonumber(ARGV[6]), value = tonumber(ARGV[7])}
local sets, removes = tonumber(ARGV[8]), tonumber(ARGV[9])
if sets + removes == 0 then
  return {'ok', text(m.v)}
end
if not fits(flat, 10, sets, removes, limits) then
  return {'full'}
end
local set, remove = {'v', text(m.v + 1)}, {}
for i = 10, 9 + 2 * sets do
  set[#set + 1] = ARGV[i]
end
for i = 10 + 2 * sets, #ARGV do
  remove[#remove + 1] = ARGV[i]
end
in_parts('HSET', KEYS[1], set)
in_parts('HDEL', KEYS[1], remove)
return {'ok', text(m.v + 1)}

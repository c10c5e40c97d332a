-- KEYS: a tag's index, listing and epochs, and a session that stays, if one does. ARGV 4: the subject's hash, 5: for how
-- many milliseconds an epoch is known.
local stays
if KEYS[4] then
  local m, why = open(KEYS[4], KEYS[1])
  if m and m.h == ARGV[4] then
    stays = member(KEYS[4], m)
  elseif why[1] == 'moved' then
    return why
  end
end
clean(KEYS[1], KEYS[2])
local ended = {}
for _, one in ipairs(living(KEYS[1], ARGV[4])) do
  if one ~= stays then
    ended[#ended + 1] = one
  end
end
forget(KEYS[1], KEYS[2], ended)
-- Last: a server without memory ends sessions, and refuses this.
local epoch = math.max((tonumber(redis.call('HGET', KEYS[3], ARGV[4])) or 0) + 1, now)
redis.call('HSET', KEYS[3], ARGV[4], text(epoch))
keep(KEYS[3], tonumber(ARGV[5]))
return {'ok', hashes(ended)}

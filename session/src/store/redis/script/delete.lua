-- KEYS: the session, its tag's index and listing, and the key by which it was asked for if that is another one. ARGV 4:
-- whether it is deleted while it moves: if the move fails, it does not come back.
local m, why, claimed = open(KEYS[1], KEYS[2])
if ARGV[4] == '1' then
  m = m or claimed
end
if not m then
  return why
end
redis.call('DEL', KEYS[1])
if KEYS[4] then
  redis.call('DEL', KEYS[4])
end
if m.h then
  forget(KEYS[2], KEYS[3], {member(KEYS[1], m)})
end
return {'ok', {m.p}}

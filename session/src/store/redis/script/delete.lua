-- KEYS: the session, its tag's index and listing, and the key by which it was asked for if that is another one.
local m, why, claimed = open(KEYS[1], KEYS[2])
-- It is moving to another slot: if the move fails, it must not come back.
if claimed and why[3] == 0 then
  m = claimed
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

-- KEYS: the session, its tag's index and listing, and the key by which it was asked for if that is another one. ARGV 4:
-- whether it is deleted while it moves: if the move fails, it does not come back.
local m, why, claimed = open(KEYS[1], KEYS[2])
if claimed and ARGV[4] == '1' then
  m = claimed
end
if not m then
  return why
end
if claimed then
  -- Who moves it has to see that it was deleted, and not that somebody has tidied up.
  redis.call('HSET', KEYS[1], 'k', text(now))
else
  redis.call('DEL', KEYS[1])
end
if KEYS[4] then
  redis.call('DEL', KEYS[4])
end
if m.h then
  forget(KEYS[2], KEYS[3], {member(KEYS[1], m)})
end
return {'ok', {m.p}}

-- The first half of a move to another slot: from now on nobody changes the session, until the move was made or its time
-- is over. KEYS: the session, its tag's index. ARGV 4: why, 5: the grace, 6: where it moves, 7: for how long.
local m, flat = open(KEYS[1], KEYS[2])
if not m then
  return flat
end
if ARGV[4] == 'renew' and ARGV[2] ~= '' and (m.u or now < m.r + tonumber(ARGV[5])) then
  return {'still'}
end
local deadline = text(now + tonumber(ARGV[7]))
redis.call('HSET', KEYS[1], 'n', ARGV[6], 'w', deadline)
return {'ok', deadline, flat}

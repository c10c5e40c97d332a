-- Ends a claim, and says whether the session was neither deleted nor revoked meanwhile. What is not there any more was
-- settled by somebody else, or is over. KEYS: the session, its tag's index and listing, and the key by which it was asked
-- for if that is another one. ARGV 4: where it was to move, 5: whether it has.
local flat = redis.call('HGETALL', KEYS[1])
local m = meta(flat)
if not m or m.n ~= ARGV[4] then
  return {'ok'}
end
local there = not m.k and (not m.h or redis.call('ZSCORE', KEYS[2], member(KEYS[1], m)))
if there and ARGV[5] == '0' then
  redis.call('HDEL', KEYS[1], 'n', 'w')
  return {'ok'}
end
redis.call('DEL', KEYS[1])
if KEYS[4] then
  redis.call('DEL', KEYS[4])
end
if m.h then
  forget(KEYS[2], KEYS[3], {member(KEYS[1], m)})
end
return {there and 'ok' or 'dead'}

-- All in one slot, or on one server. KEYS: the session, its tag's index and listing; its new key, that one's tag's index,
-- listing and epochs; and the key by which it was asked for if that is another one.
local m, flat = open(KEYS[1], KEYS[2])
if not m then
  return flat
end
if is_renewed(m) then
  return {'still'}
end
-- What leads to another key does so within its tag.
local found = KEYS[8] or KEYS[1]
local leads = WHY == 'renew' and KEYS[2] == KEYS[5]
local n, fields = turn(m, flat, leads and hash(found))
if not n then
  return {'full'}
end
local why, oldest = nil, {}
local who = login()
if who then
  why, oldest = admit(KEYS[5], KEYS[6], KEYS[7], who, m.h and member(KEYS[1], m))
end
why = why or taken(KEYS[4])
if why then
  return why
end
in_parts('HSET', KEYS[4], fields)
schedule(KEYS[4], KEYS[5], KEYS[6], n)
redis.call('DEL', KEYS[1])
if KEYS[8] then
  redis.call('DEL', KEYS[8])
end
if m.h then
  forget(KEYS[2], KEYS[3], {member(KEYS[1], m)})
end
forget(KEYS[5], KEYS[6], oldest)
if leads then
  redis.call('HSET', found, 'f', '1', 'm', hash(KEYS[4]))
  redis.call('PEXPIRE', found, text(math.max(n.a - now, 1) + tonumber(ARGV[3])))
end
-- The key from before an earlier renewal leads nowhere now.
return {'ok', text(now), 0, text(n.l), text(n.x), fields, hashes(oldest), {ARGV[2] == '' and m.p or nil}}

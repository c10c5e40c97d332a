-- KEYS: the session, its tag's index, listing and epochs. ARGV 4: idle, 5: absolute, 6: the subject's hash, or nothing,
-- 7: the subject, 8: the device, 9: the epoch, or nothing, 10: the limit, or nothing, 11: what happens when it is full,
-- from 12 on: values.
local why = taken(KEYS[1])
if why then
  return why
end
local a = now + tonumber(ARGV[5])
local m = {c = now, l = now, a = a, x = math.min(now + tonumber(ARGV[4]), a), d = ARGV[8]}
local flat = {
  'f', '1', 'v', '1', 'c', text(m.c), 'l', text(m.l), 'x', text(m.x), 'a', text(m.a), 'r', text(now), 'd', m.d,
}
local oldest = {}
if ARGV[6] ~= '' then
  local login = {who = ARGV[6], epoch = ARGV[9], limit = ARGV[10], full = ARGV[11]}
  why, oldest = admit(KEYS[2], KEYS[3], KEYS[4], login, nil)
  if why then
    return why
  end
  m.h = login.who
  for _, field in ipairs({'h', m.h, 's', ARGV[7], 't', text(now)}) do
    flat[#flat + 1] = field
  end
end
for i = 12, #ARGV do
  flat[#flat + 1] = ARGV[i]
end
in_parts('HSET', KEYS[1], flat)
schedule(KEYS[1], KEYS[2], KEYS[3], m)
forget(KEYS[2], KEYS[3], oldest)
return {'ok', text(now), 0, text(m.l), text(m.x), flat, hashes(oldest)}

-- KEYS: the session, its tag's index and listing. ARGV 4: how long it may be unused, or nothing; 5: how old a use has
-- to be to be noted again.
local function is_refused(answer)
  return type(answer) == 'table' and answer.err ~= nil
end

local m, flat = open(KEYS[1], KEYS[2])
if not m then
  return flat
end
local idle, touched = tonumber(ARGV[4]), 0
if idle and now > m.l and now - m.l >= tonumber(ARGV[5]) then
  local x = math.min(now + idle, m.a)
  -- A server that takes no writes, for want of memory say, still answers reads.
  if x ~= m.x and not is_refused(redis.pcall('HSET', KEYS[1], 'l', text(now), 'x', text(x))) then
    m.l, m.x, touched = now, x, 1
    schedule(KEYS[1], KEYS[2], KEYS[3], m)
  end
end
if m.p and not m.u and ARGV[2] == '' then
  redis.pcall('HSET', KEYS[1], 'u', text(now))
end
return {'ok', text(now), touched, text(m.l), text(m.x), flat}

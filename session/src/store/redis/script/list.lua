-- KEYS: a tag's index and listing. ARGV 4: the subject's hash.
clean(KEYS[1], KEYS[2])
local mine = living(KEYS[1], ARGV[4])
local lines = listed(KEYS[2], mine)
local list = {}
for i, one in ipairs(mine) do
  list[#list + 1] = hash(one)
  list[#list + 1] = text(redis.call('ZSCORE', KEYS[1], one))
  list[#list + 1] = lines[i]
end
return {'ok', list}

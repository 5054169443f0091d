-- KEYS: index, values. ARGV: most entries. Answers id, value, id, value.
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, ARGV[1])
if #ids == 0 then return {} end
local values = redis.call('HMGET', KEYS[2], unpack(ids))
local entries = {}
for n, id in ipairs(ids) do
  if values[n] then
    entries[#entries + 1] = id
    entries[#entries + 1] = string.sub(values[n], 17)
  end
end
return entries

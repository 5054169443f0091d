-- KEYS: index, values. ARGV: id.
local time = redis.call('TIME')
local now = math.floor((time[1] * 1000000 + time[2]) / 1000)
local till = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not till or tonumber(till) <= now then return false end
local held = redis.call('HGET', KEYS[2], ARGV[1])
return held and string.sub(held, 17)

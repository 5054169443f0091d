-- KEYS: index, values. ARGV: id, stamp. Leaves alone what somebody announced later.
local held = redis.call('HGET', KEYS[2], ARGV[1])
if held and tonumber(string.sub(held, 1, 16)) <= tonumber(ARGV[2]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
end
return 0

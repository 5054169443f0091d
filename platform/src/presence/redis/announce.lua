-- KEYS: index, values. ARGV: id, stamp or 0, age in us, ttl in ms, value, longest ttl in ms.
-- Answers the stamp, or 0 when somebody announced this id later.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)

-- Those whose processes are gone; some at a time, so that no call takes long.
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)
if #dead > 0 then
  redis.call('ZREM', KEYS[1], unpack(dead))
  redis.call('HDEL', KEYS[2], unpack(dead))
end

local held = redis.call('HGET', KEYS[2], ARGV[1])
local held_stamp = held and tonumber(string.sub(held, 1, 16)) or 0
local stamp = tonumber(ARGV[2])
local age = tonumber(ARGV[3])
if stamp == 0 then
  stamp = now_us - age
  -- Just made: the newest, whatever the clock of a server before this one said.
  if age < 1000 and stamp <= held_stamp then stamp = held_stamp + 1 end
end
if held_stamp > stamp then return 0 end

redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], string.format('%016.0f', stamp) .. ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[6])
return string.format('%.0f', stamp)
